"""Routes of what people write and publish: storyboards and the feed."""
