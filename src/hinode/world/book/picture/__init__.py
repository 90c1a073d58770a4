"""How the picture book is drawn: shapes, land, sky, places, subjects, weather."""
