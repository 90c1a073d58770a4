"""Storyboards as documents: stored with revisions and versions, and read from files of other programs."""
