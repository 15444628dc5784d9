/* Made by `python -m edge.kernel.columns` from edge/decision/tables.py. */
#ifndef PROFFER_COLUMNS_H
#define PROFFER_COLUMNS_H

enum {
    BOOL = 0,
    INT = 1,
    DECIMAL = 2,
    STRING = 3,
    SET = 4,
    TIMESTAMP = 5,
};
enum {
    NO_OP = 0,
    AGE = 1,
    SUM = 2,
    DIFFERENCE = 3,
    HOUR = 4,
    WEEKDAY = 5,
};
enum {
    PERSONAL = 1,
    ORDERED = 8,
};
enum {
    CELLS = 0,
    ANY_OF = 1,
    NONE_OF = 2,
    PRESENT = 3,
    ABSENT = 4,
};
enum {
    STACKABLE = 1,
    WITHOUT_IDENTITY = 2,
    TOKEN = 4,
};
enum {
    CEILING = 1,
    CEILING_PPM = 2,
    FLOOR = 4,
    FLOOR_PPM = 8,
    MOST = 16,
    WITHIN_BASE = 32,
};
enum {
    GREEDY = 0,
    EPSILON = 1,
    INVERSE_GAP = 2,
    ALLOCATION = 3,
};
enum {
    VISITOR = 0,
    CUSTOMER = 1,
};
enum {
    IDENTITY = 0,
    LOGISTIC = 1,
};
enum {
    BASE = 0,
    SENSITIVITY = 1,
    ARM = 2,
};
enum {
    DOWN = 0,
    HALF_UP = 1,
    HALF_EVEN = 2,
};
enum {
    HEAD_PROJECTION = 0,
    HEAD_TENANT = 1,
    HEAD_SCORE_UNIT = 2,
    HEAD_MINOR = 3,
    HEAD_ROUNDING = 4,
    HEAD_GLOBAL_SHARE = 5,
    HEAD_GLOBAL_UNIT = 6,
    HEAD_GLOBAL_SALT = 7,
    HEAD_VALUE = 8,
    HEAD_VALUE_OTHERWISE = 9,
    HEAD_MARGIN = 10,
    HEAD_MARGIN_PPM = 11,
    HEAD_HORIZON_FROM = 12,
    HEAD_HORIZON_UNTIL = 13,
    HEAD_COUNTRY = 14,
    HEAD_SIZE = 15,
};
enum {
    FLAG_GLOBAL_HOLDOUT = 1,
    FLAG_HOLDOUT = 2,
    FLAG_SESSION = 4,
    FLAG_STATELESS = 8,
    FLAG_DROPPED = 16,
    FLAG_DISCLOSE = 32,
    FLAG_EQUAL = 64,
};
enum {
    REASON_BEST = 1,
    REASON_EXPLORED = 2,
    REASON_KEPT = 3,
    REASON_NONE_WON = 4,
    REASON_NO_CANDIDATE = 5,
    REASON_HOLDOUT = 6,
    REASON_GLOBAL_HOLDOUT = 7,
    REASON_NO_CONSENT = 8,
    REASON_NO_CUSTOMER = 9,
    REASON_STALE = 10,
    REASON_PAUSED = 11,
};
enum {
    FORMAT = 256,
    BUNDLE_LIMIT = 67108864,
    REQUEST_LIMIT = 65536,
    ELEMENT_LIMIT = 64,
    WANTED_LIMIT = 64,
    EARLIER_LIMIT = 64,
    ENTRY_LIMIT = 48,
    TERM_LIMIT = 4096,
    TAKEN_LIMIT = 1088,
    BEST_LIMIT = 31,
    SCORE_LIMIT = 16777216,
};
enum {
    KIND_PLAIN = 0,
    KIND_REF = 1,
    KIND_MAYBE = 2,
    KIND_START = 3,
    KIND_BLOB = 4,
};
enum {
    OFFER_COLUMNS = 15,
    RUNG_COLUMNS = 15,
};
enum {
    TABLE_HEAD = 0,
    TABLE_HEAP = 1,
    TABLE_TEXT = 2,
    TABLE_ATTRIBUTE = 3,
    TABLE_BREAK = 4,
    TABLE_WORD = 5,
    TABLE_ZONE = 6,
    TABLE_SHIFT = 7,
    TABLE_CONSTRAINT = 8,
    TABLE_RANGE = 9,
    TABLE_CLAUSE = 10,
    TABLE_LITERAL = 11,
    TABLE_OFFER = 12,
    TABLE_PLACE = 13,
    TABLE_LIMIT = 14,
    TABLE_DISCLOSURE = 15,
    TABLE_CAP = 16,
    TABLE_RUNG = 17,
    TABLE_COST = 18,
    TABLE_AMOUNT = 19,
    TABLE_PLACEMENT = 20,
    TABLE_MODEL = 21,
    TABLE_BIAS = 22,
    TABLE_TERM = 23,
    TABLE_LEFTBIN = 24,
    TABLE_RIGHTBIN = 25,
    TABLE_ROW = 26,
    TABLE_WEIGHT = 27,
    TABLE_RESPONSE = 28,
    TABLE_ALLOCATION = 29,
    TABLE_ALLOCBIN = 30,
    TABLE_ALLOCARM = 31,
    TABLE_SHARE = 32,
    TABLE_BUDGET = 33,
    TABLE_NOTES = 34,
    TABLE_COUNT = 35,
};
enum {
    HEAD = 0,
    HEAP = 1,
    TEXT_START = 2,
    ATTRIBUTE_NAME = 3,
    ATTRIBUTE_TYPE = 4,
    ATTRIBUTE_SCALE = 5,
    ATTRIBUTE_SOURCE = 6,
    ATTRIBUTE_FLAGS = 7,
    ATTRIBUTE_LOW = 8,
    ATTRIBUTE_HIGH = 9,
    ATTRIBUTE_OP = 10,
    ATTRIBUTE_LEFT = 11,
    ATTRIBUTE_RIGHT = 12,
    ATTRIBUTE_ZONE = 13,
    ATTRIBUTE_BREAK = 14,
    ATTRIBUTE_WORD = 15,
    BREAK_VALUE = 16,
    WORD_TEXT = 17,
    ZONE_SHIFT = 18,
    SHIFT_INSTANT = 19,
    SHIFT_OFFSET_S = 20,
    CONSTRAINT_ATTRIBUTE = 21,
    CONSTRAINT_KIND = 22,
    CONSTRAINT_RANGE = 23,
    RANGE_LOW = 24,
    RANGE_HIGH = 25,
    CLAUSE_LITERAL = 26,
    LITERAL_CONSTRAINT = 27,
    OFFER_NAME = 28,
    OFFER_KEY = 29,
    OFFER_CLAUSE = 30,
    OFFER_RUNG = 31,
    OFFER_PLACE = 32,
    OFFER_LIMIT = 33,
    OFFER_DISCLOSURE = 34,
    OFFER_FROM_S = 35,
    OFFER_UNTIL_S = 36,
    OFFER_MAX_AGE_S = 37,
    OFFER_EXPIRES_S = 38,
    OFFER_GROUP = 39,
    OFFER_FLAGS = 40,
    OFFER_SCOPE = 41,
    OFFER_BUDGET = 42,
    PLACE_PLACEMENT = 43,
    LIMIT_CAP = 44,
    DISCLOSURE_TEXT = 45,
    CAP_KEY = 46,
    CAP_PERIOD_S = 47,
    CAP_COUNT = 48,
    CAP_PLACEMENT = 49,
    CAP_STRICT = 50,
    RUNG_NAME = 51,
    RUNG_KEY = 52,
    RUNG_OFFER = 53,
    RUNG_DEPTH = 54,
    RUNG_LIMITS = 55,
    RUNG_FIXED = 56,
    RUNG_RATE_PPM = 57,
    RUNG_MOST = 58,
    RUNG_COST = 59,
    RUNG_CEILING = 60,
    RUNG_CEILING_PPM = 61,
    RUNG_FLOOR = 62,
    RUNG_FLOOR_PPM = 63,
    RUNG_HANDLING = 64,
    RUNG_EXPECTED_COST = 65,
    COST_ATTRIBUTE = 66,
    COST_AMOUNT = 67,
    AMOUNT_MICROS = 68,
    PLACEMENT_NAME = 69,
    PLACEMENT_KEY = 70,
    PLACEMENT_SLOTS = 71,
    PLACEMENT_RANK = 72,
    PLACEMENT_POLICY = 73,
    PLACEMENT_PARAM = 74,
    PLACEMENT_FLOOR = 75,
    PLACEMENT_LOSS = 76,
    PLACEMENT_SHARE = 77,
    PLACEMENT_SHARE_UNIT = 78,
    PLACEMENT_SHARE_SALT = 79,
    PLACEMENT_UNIT = 80,
    PLACEMENT_SALT = 81,
    PLACEMENT_EPOCH_S = 82,
    PLACEMENT_MODEL = 83,
    PLACEMENT_ALLOCATION = 84,
    MODEL_LINK = 85,
    MODEL_CONSTANT = 86,
    MODEL_BIAS = 87,
    MODEL_TERM = 88,
    BIAS_ARM = 89,
    BIAS_WEIGHT = 90,
    TERM_ROLE = 91,
    TERM_LEFT = 92,
    TERM_RIGHT = 93,
    TERM_LEFT_BIN = 94,
    TERM_RIGHT_BIN = 95,
    TERM_WIDTH = 96,
    TERM_ROW = 97,
    LEFTBIN_BIN = 98,
    RIGHTBIN_BIN = 99,
    ROW_ARM = 100,
    ROW_WEIGHT = 101,
    WEIGHT_VALUE = 102,
    RESPONSE = 103,
    ALLOCATION_ATTRIBUTE = 104,
    ALLOCATION_BIN = 105,
    ALLOCATION_ARM = 106,
    ALLOCATION_SHARE = 107,
    ALLOCBIN_ROW = 108,
    ALLOCARM_ARM = 109,
    SHARE_WEIGHT = 110,
    BUDGET_KEY = 111,
    NOTES = 112,
    COLUMN_COUNT = 113,
};
/* BundleError: SIZE, MAGIC, FORMAT, SECTION, COLUMN, TABLE, TEXT, MEANING */
#define BUNDLE_ERRORS 8
/* RequestError: JSON, FIELD, SIZE, ENCODING */
#define REQUEST_ERRORS 4

/* The bounds that plain columns have: least and greatest value. */
static const int64_t BOUNDS[][2] = {
    {-9007199254740991LL, 9007199254740991LL},
    {0LL, 255LL},
    {0LL, 5LL},
    {0LL, 6LL},
    {0LL, 3LL},
    {0LL, 31LL},
    {-86400LL, 86400LL},
    {0LL, 4LL},
    {0LL, 65535LL},
    {0LL, 4294967295LL},
    {0LL, 7LL},
    {0LL, 1LL},
    {-65536LL, 65536LL},
    {0LL, 63LL},
    {0LL, 1048576LL},
    {0LL, 16777216LL},
    {-1LL, 9007199254740991LL},
    {1LL, 16LL},
    {1LL, 4294967295LL},
    {-16777216LL, 16777216LL},
    {1LL, 9007199254740991LL},
    {0LL, 2LL},
    {1LL, 1025LL},
    {0LL, 1024LL},
    {0LL, 9007199254740991LL},
};

/* Per column: kind, its table, the table it points at, row of BOUNDS. */
static const uint8_t KINDS[][4] = {
    {0, 0, 0, 0}, /* head */
    {4, 1, 0, 1}, /* heap */
    {3, 2, 1, 0}, /* text_start */
    {1, 3, 2, 0}, /* attribute_name */
    {0, 3, 0, 2}, /* attribute_type */
    {0, 3, 0, 3}, /* attribute_scale */
    {0, 3, 0, 4}, /* attribute_source */
    {0, 3, 0, 5}, /* attribute_flags */
    {0, 3, 0, 0}, /* attribute_low */
    {0, 3, 0, 0}, /* attribute_high */
    {0, 3, 0, 2}, /* attribute_op */
    {2, 3, 3, 0}, /* attribute_left */
    {2, 3, 3, 0}, /* attribute_right */
    {2, 3, 6, 0}, /* attribute_zone */
    {3, 3, 4, 0}, /* attribute_break */
    {3, 3, 5, 0}, /* attribute_word */
    {0, 4, 0, 0}, /* break_value */
    {1, 5, 2, 0}, /* word_text */
    {3, 6, 7, 0}, /* zone_shift */
    {0, 7, 0, 0}, /* shift_instant */
    {0, 7, 0, 6}, /* shift_offset_s */
    {1, 8, 3, 0}, /* constraint_attribute */
    {0, 8, 0, 7}, /* constraint_kind */
    {3, 8, 9, 0}, /* constraint_range */
    {0, 9, 0, 8}, /* range_low */
    {0, 9, 0, 8}, /* range_high */
    {3, 10, 11, 0}, /* clause_literal */
    {1, 11, 8, 0}, /* literal_constraint */
    {1, 12, 2, 0}, /* offer_name */
    {0, 12, 0, 9}, /* offer_key */
    {3, 12, 10, 0}, /* offer_clause */
    {3, 12, 17, 0}, /* offer_rung */
    {3, 12, 13, 0}, /* offer_place */
    {3, 12, 14, 0}, /* offer_limit */
    {3, 12, 15, 0}, /* offer_disclosure */
    {0, 12, 0, 0}, /* offer_from_s */
    {0, 12, 0, 0}, /* offer_until_s */
    {0, 12, 0, 9}, /* offer_max_age_s */
    {0, 12, 0, 9}, /* offer_expires_s */
    {0, 12, 0, 8}, /* offer_group */
    {0, 12, 0, 10}, /* offer_flags */
    {2, 12, 3, 0}, /* offer_scope */
    {2, 12, 33, 0}, /* offer_budget */
    {1, 13, 20, 0}, /* place_placement */
    {1, 14, 16, 0}, /* limit_cap */
    {1, 15, 2, 0}, /* disclosure_text */
    {0, 16, 0, 9}, /* cap_key */
    {0, 16, 0, 9}, /* cap_period_s */
    {0, 16, 0, 8}, /* cap_count */
    {2, 16, 20, 0}, /* cap_placement */
    {0, 16, 0, 11}, /* cap_strict */
    {1, 17, 2, 0}, /* rung_name */
    {0, 17, 0, 9}, /* rung_key */
    {1, 17, 12, 0}, /* rung_offer */
    {0, 17, 0, 12}, /* rung_depth */
    {0, 17, 0, 13}, /* rung_limits */
    {0, 17, 0, 0}, /* rung_fixed */
    {0, 17, 0, 14}, /* rung_rate_ppm */
    {0, 17, 0, 0}, /* rung_most */
    {2, 17, 18, 0}, /* rung_cost */
    {0, 17, 0, 0}, /* rung_ceiling */
    {0, 17, 0, 14}, /* rung_ceiling_ppm */
    {0, 17, 0, 0}, /* rung_floor */
    {0, 17, 0, 14}, /* rung_floor_ppm */
    {0, 17, 0, 0}, /* rung_handling */
    {0, 17, 0, 15}, /* rung_expected_cost */
    {1, 18, 3, 0}, /* cost_attribute */
    {3, 18, 19, 0}, /* cost_amount */
    {0, 19, 0, 16}, /* amount_micros */
    {1, 20, 2, 0}, /* placement_name */
    {0, 20, 0, 9}, /* placement_key */
    {0, 20, 0, 17}, /* placement_slots */
    {0, 20, 0, 8}, /* placement_rank */
    {0, 20, 0, 4}, /* placement_policy */
    {0, 20, 0, 14}, /* placement_param */
    {0, 20, 0, 14}, /* placement_floor */
    {0, 20, 0, 15}, /* placement_loss */
    {0, 20, 0, 14}, /* placement_share */
    {0, 20, 0, 11}, /* placement_share_unit */
    {1, 20, 2, 0}, /* placement_share_salt */
    {0, 20, 0, 11}, /* placement_unit */
    {1, 20, 2, 0}, /* placement_salt */
    {0, 20, 0, 18}, /* placement_epoch_s */
    {2, 20, 21, 0}, /* placement_model */
    {2, 20, 29, 0}, /* placement_allocation */
    {0, 21, 0, 11}, /* model_link */
    {0, 21, 0, 19}, /* model_constant */
    {3, 21, 22, 0}, /* model_bias */
    {3, 21, 23, 0}, /* model_term */
    {0, 22, 0, 20}, /* bias_arm */
    {0, 22, 0, 19}, /* bias_weight */
    {0, 23, 0, 21}, /* term_role */
    {1, 23, 3, 0}, /* term_left */
    {2, 23, 3, 0}, /* term_right */
    {3, 23, 24, 0}, /* term_left_bin */
    {3, 23, 25, 0}, /* term_right_bin */
    {0, 23, 0, 22}, /* term_width */
    {3, 23, 26, 0}, /* term_row */
    {0, 24, 0, 23}, /* leftbin_bin */
    {0, 25, 0, 23}, /* rightbin_bin */
    {0, 26, 0, 24}, /* row_arm */
    {3, 26, 27, 0}, /* row_weight */
    {0, 27, 0, 19}, /* weight_value */
    {0, 28, 0, 8}, /* response */
    {2, 29, 3, 0}, /* allocation_attribute */
    {3, 29, 30, 0}, /* allocation_bin */
    {3, 29, 31, 0}, /* allocation_arm */
    {3, 29, 32, 0}, /* allocation_share */
    {0, 30, 0, 23}, /* allocbin_row */
    {0, 31, 0, 24}, /* allocarm_arm */
    {0, 32, 0, 14}, /* share_weight */
    {0, 33, 0, 9}, /* budget_key */
    {4, 34, 0, 1}, /* notes */
};

#endif
