"""What somebody else's error says, in a line."""

_AROUND = (
    "Check '",
    "Exception from src/",
    "While validating",
    "FrontEnd API",
    "Model wasn't",
    "Summary",
    "Shape inference input",
)
"""How lines of OpenVINO's errors begin that tell nothing of the network."""


def first_line(error: Exception) -> str:
    """The first line of what it says, of OpenVINO's the first that is not about OpenVINO's own source."""
    said = [line.strip(" -") for line in str(error).splitlines() if line.strip()]
    return next((line for line in said if not line.startswith(_AROUND)), said[0] if said else type(error).__name__)
