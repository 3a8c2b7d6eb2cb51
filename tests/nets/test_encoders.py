"""ResNet encoders: torchvision's names and sizes, ImageNet's normalisation, loading weights."""

import pytest

torch = pytest.importorskip("torch")

from posecore.nets import RESNET_PRESETS, ResNet, ResNetConfig, load_imagenet


def shapes_of(name):
    """The net without memory for its weights, nor time to draw them."""
    with torch.device("meta"):
        return ResNet(RESNET_PRESETS[name])


def parameters(net):
    return sum(p.numel() for p in net.parameters())


# torchvision's published counts, less the classifier's 1000 · (features + 1); and tensors of its state, less two.
@pytest.mark.parametrize(
    ("name", "all_parameters", "features", "tensors"),
    [("resnet18", 11_689_512, 512, 122), ("resnet34", 21_797_672, 512, 218), ("resnet50", 25_557_032, 2048, 320)],
)
def test_sizes_are_torchvisions(name, all_parameters, features, tensors):
    net = shapes_of(name)
    assert parameters(net) == all_parameters - 1000 * (features + 1)
    assert len(net.state_dict()) == tensors - 2
    assert net.config.features == features


def test_names_are_torchvisions():
    bottleneck, basic = (shapes_of(name).state_dict() for name in ("resnet50", "resnet18"))
    wanted = {
        "conv1.weight": (64, 3, 7, 7),
        "bn1.running_mean": (64,),
        "layer1.0.conv1.weight": (64, 64, 1, 1),
        "layer1.0.downsample.0.weight": (256, 64, 1, 1),
        "layer2.0.conv2.weight": (128, 128, 3, 3),
        "layer3.5.conv3.weight": (1024, 256, 1, 1),
        "layer4.2.bn3.num_batches_tracked": (),
    }
    assert {name: tuple(bottleneck[name].shape) for name in wanted} == wanted
    assert tuple(basic["layer2.0.downsample.0.weight"].shape) == (128, 64, 1, 1)
    assert tuple(basic["layer2.0.downsample.1.weight"].shape) == (128,)
    assert "layer1.0.downsample.0.weight" not in basic
    assert "mean" not in basic and "std" not in basic


def test_stages_halve_the_picture():
    net = ResNet(RESNET_PRESETS["tiny"]).eval()
    sizes = []
    for layer in (net.maxpool, net.layer1, net.layer2, net.layer3, net.layer4):
        layer.register_forward_hook(lambda _module, _inputs, out: sizes.append(tuple(out.shape[1:])))
    assert net(torch.zeros(2, 3, 64, 64)).shape == (2, 128)
    assert sizes == [(16, 16, 16), (16, 16, 16), (32, 8, 8), (64, 4, 4), (128, 2, 2)]


def test_pictures_are_normalised_as_imagenets():
    net = ResNet(RESNET_PRESETS["tiny"]).eval()
    seen = []
    net.conv1.register_forward_hook(lambda _module, inputs, _out: seen.append(inputs[0]))
    red = torch.tensor([1.0, 0.0, 0.0])[None, :, None, None].expand(1, 3, 32, 32)
    net(red - 0.5)  # what the nets here take
    expected = [(1 - 0.485) / 0.229, (0 - 0.456) / 0.224, (0 - 0.406) / 0.225]
    assert seen[0][0, :, 5, 5].tolist() == pytest.approx(expected, rel=1e-5)


def test_block_against_the_formula():
    net = ResNet(ResNetConfig("bottleneck", (1, 1, 1, 1), width=4)).eval()
    block = net.layer2[0]
    assert (block.conv1.stride, block.conv2.stride, block.conv3.stride) == ((1, 1), (2, 2), (1, 1))
    x = torch.randn(1, 16, 8, 8)
    inner = torch.relu(block.bn2(block.conv2(torch.relu(block.bn1(block.conv1(x))))))
    assert torch.allclose(block(x), torch.relu(block.bn3(block.conv3(inner)) + block.downsample(x)))


def test_imagenet_weights_load_without_their_classifier():
    source, target = ResNet(RESNET_PRESETS["tiny"]), ResNet(RESNET_PRESETS["tiny"])
    weights = {**source.state_dict(), "fc.weight": torch.zeros(1000, 128), "fc.bias": torch.zeros(1000)}
    load_imagenet(target, weights)
    assert all(torch.equal(value, target.state_dict()[name]) for name, value in source.state_dict().items())
    old = {name: value for name, value in weights.items() if not name.endswith("num_batches_tracked")}
    load_imagenet(ResNet(RESNET_PRESETS["tiny"]), old)


def test_other_weights_are_refused_in_one_line():
    net = ResNet(RESNET_PRESETS["tiny"])
    before = net.conv1.weight.clone()
    weights = ResNet(RESNET_PRESETS["small"]).state_dict()
    with pytest.raises(ValueError, match=r"not of this encoder .* missing, unknown or of another shape, the first "):
        load_imagenet(net, weights)
    with pytest.raises(ValueError, match="1 tensors are missing"):
        load_imagenet(net, {k: v for k, v in net.state_dict().items() if k != "bn1.weight"})
    assert torch.equal(net.conv1.weight, before)
    with pytest.raises(ValueError, match="block must be one of basic, bottleneck"):
        ResNetConfig("wide")
