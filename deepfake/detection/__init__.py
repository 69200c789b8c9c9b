"""From pixels to a verdict: card, detector, verdict, stress test, heat maps, neighbours."""
