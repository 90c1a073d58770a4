"""What a clip takes and costs before it is made: runs that were measured, and what is predicted from them."""
