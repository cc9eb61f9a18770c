"""Where does it lead? Parse to decide, splice bytes to act."""
