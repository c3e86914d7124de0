"""`lbt init`: from a user's photographs and masks to a file of settings that runs without editing."""
