"""The CMU split is a fixed rule over subjects."""

from training.splits import clip_subject, cmu_split, hash_fraction

SUBJECTS = [
    "001", "002", "005", "006", "007", "008", "009", "010", "011", "012", "013", "014", "016", "026", "027", "029",
    "032", "035", "038", "039", "043", "045", "046", "047", "060", "061", "088", "091", "093", "104", "113", "133",
    "135", "141", "144",
]  # fmt: skip


def test_the_held_out_subjects_never_change():
    held_out = [subject for subject in SUBJECTS if cmu_split(subject) == "validation"]
    assert held_out == ["007", "016", "027", "039", "047", "104", "113", "135"]


def test_dance_partners_stay_on_one_side():
    assert cmu_split("060") == cmu_split("061")


def test_names_of_one_subject_agree():
    assert cmu_split("47") == cmu_split("047") == cmu_split("subject_047") == cmu_split(clip_subject("047_01"))
    assert cmu_split("unknown") == "train"


def test_hash_fraction_is_uniform():
    values = [hash_fraction(f"key {i}") for i in range(2000)]
    assert all(0 <= value < 1 for value in values)
    assert abs(sum(values) / len(values) - 0.5) < 0.02
