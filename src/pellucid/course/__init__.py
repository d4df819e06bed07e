"""The course: questions about explanations whose answers are computed, and what it takes to run it for a class."""
