//! The functions that a question may call, by the name its plan gives them.
//!
//! A list of what is allowed, because what is dangerous is not known in full: a function runs to its end once it is
//! called, no limit interrupts it, and memory it takes is counted nowhere. Left out are those that make much from
//! little (`repeat`, `lpad`, `range`, `array_repeat`, `string_to_array`…), those that tell of files
//! (`input_file_name`), and those that nobody needs here.

pub(super) fn is_scalar_allowed(name: &str) -> bool {
    SCALAR.contains(&name)
}

pub(super) fn is_aggregate_allowed(name: &str) -> bool {
    AGGREGATE.contains(&name)
}

/// Aggregates over a window are evaluated for every row: those that would copy what they collected are not among them.
pub(super) fn is_window_allowed(name: &str) -> bool {
    WINDOW.contains(&name)
}

/// Its value may be as long as all of its input.
pub(super) fn collects(aggregate: &str) -> bool {
    matches!(aggregate, "array_agg" | "string_agg")
}

/// Their second argument is a regular expression.
pub(super) fn takes_pattern(name: &str) -> bool {
    name.starts_with("regexp_")
}

const SCALAR: &[&str] = &[
    // Numbers.
    "abs", "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "cbrt", "ceil", "cos", "cosh", "cot", "degrees",
    "exp", "factorial", "floor", "gcd", "isnan", "iszero", "lcm", "ln", "log", "log10", "log2", "nanvl", "pi", "power",
    "radians", "random", "round", "signum", "sin", "sinh", "sqrt", "tan", "tanh", "trunc",
    // Choices.
    "coalesce", "greatest", "least", "nullif", "nvl", "nvl2",
    // Text.
    "ascii", "bit_length", "btrim", "character_length", "chr", "concat", "concat_ws", "contains", "digest", "ends_with",
    "encode", "decode", "find_in_set", "initcap", "left", "levenshtein", "lower", "ltrim", "md5", "octet_length",
    "overlay", "regexp_count", "regexp_instr", "regexp_like", "regexp_match", "regexp_replace", "replace", "reverse",
    "right", "rtrim", "sha224", "sha256", "sha384", "sha512", "split_part", "starts_with", "strpos", "substr",
    "substrindex", "substr_index", "to_hex", "translate", "upper", "uuid",
    // Times.
    "current_date", "current_time", "date_bin", "date_part", "date_trunc", "from_unixtime", "make_date", "make_time",
    "now", "to_char", "to_date", "to_local_time", "to_time", "to_timestamp", "to_timestamp_micros",
    "to_timestamp_millis", "to_timestamp_nanos", "to_timestamp_seconds", "to_unixtime",
    // Lists and structures.
    "array_any_value", "array_distinct", "array_element", "array_except", "array_has", "array_has_all",
    "array_has_any", "array_intersect", "array_length", "array_max", "array_min", "array_position", "array_positions",
    "array_remove", "array_reverse", "array_slice", "array_sort", "array_to_string", "cardinality", "empty", "flatten",
    "get_field", "make_array", "named_struct", "struct",
    // Types.
    "arrow_typeof", "version",
];

const AGGREGATE: &[&str] = &[
    "any_value", "approx_distinct", "approx_median", "approx_percentile_cont", "approx_percentile_cont_with_weight",
    "array_agg", "avg", "bit_and", "bit_or", "bit_xor", "bool_and", "bool_or", "corr", "count", "covar_pop",
    "covar_samp", "first_value", "grouping", "last_value", "max", "median", "min", "nth_value", "percentile_cont",
    "regr_avgx", "regr_avgy", "regr_count", "regr_intercept", "regr_r2", "regr_slope", "regr_sxx", "regr_sxy",
    "regr_syy", "stddev", "stddev_pop", "string_agg", "sum", "var", "var_pop", "var_samp",
];

const WINDOW: &[&str] = &[
    "avg", "bool_and", "bool_or", "count", "cume_dist", "dense_rank", "first_value", "lag", "last_value", "lead", "max",
    "min", "nth_value", "ntile", "percent_rank", "rank", "row_number", "stddev", "stddev_pop", "sum", "var", "var_pop",
    "var_samp",
];
