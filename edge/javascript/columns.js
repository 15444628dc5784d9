// Ids of the bundle's columns that this edge reads: a test compares them with edge/decision/tables.py.
export const ATTRIBUTE_SOURCE = 7, ATTRIBUTE_FLAGS = 8, OFFER_LIMIT = 34, LIMIT_CAP = 45, CAP_KEY = 47,
  CAP_PERIOD_S = 48, CAP_PLACEMENT = 50, RUNG_KEY = 53, RUNG_OFFER = 54, PLACEMENT_KEY = 71,
  PLACEMENT_UNIT = 81, NOTES = 113;
