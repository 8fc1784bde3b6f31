"""Prompts are data: one text file each, with {names} to fill in."""

from __future__ import annotations

from importlib.resources import files


def prompt(name: str) -> str:
    """The text of a prompt, such as 'answer', without the last line break."""
    return (files(__package__) / f"{name}.txt").read_text("utf-8").rstrip("\n")
