"""Its one app: orders, and parcels that are packed for them."""
