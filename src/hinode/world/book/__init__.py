"""The picture book: the drawn world, its shapes, places, plans and sounds."""
