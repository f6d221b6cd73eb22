//! Made-up rows that keep a contract: its types, rules and keys.
