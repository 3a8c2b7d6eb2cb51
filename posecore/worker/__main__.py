"""``python -m posecore.worker``."""

from posecore.worker.channel import take_over_standard_streams
from posecore.worker.server import Server

if __name__ == "__main__":
    Server(take_over_standard_streams()).run()
