"""The rules language: its words, its expressions in CEL, and rules that people write in it."""
