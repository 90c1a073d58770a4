"""What a clip takes before it is made: runs that were measured, and the time that is predicted from them."""
