"""A verdict as a document, HTML and PDF; its receipt, and what checks one."""
