"""A real grocer's year as a catalog: 27 coupon campaigns, decided for every basket."""
