"""What the pages draw with; with pages/ the only code that knows Streamlit."""
