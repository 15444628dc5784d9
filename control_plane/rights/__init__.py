"""What a person may ask of a shop: what is stored, correct it, erase it (`desk.py`)."""
