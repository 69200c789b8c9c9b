"""A labelled data set: its index, inventory, audit, gallery, and how it is gathered."""
