"""Makes the dashboards: one module for each, and what they share."""
