"""Running networks: onnxruntime sessions, execution providers, and the weights store.

Knows nothing of people or pictures. No network access, but for ``weights.add`` when the user agrees.
"""

from posecore.runtime import weights
from posecore.runtime.cards import ModelCard
from posecore.runtime.providers import available_providers, resolve_provider
from posecore.runtime.sessions import create_session

__all__ = ["ModelCard", "available_providers", "create_session", "resolve_provider", "weights"]
