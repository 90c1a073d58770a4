"""The feed of a project: videos that were published in it, with credit to those that they came from."""
