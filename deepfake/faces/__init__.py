"""Faces in a picture: finding them, putting them upright, margins around them."""
