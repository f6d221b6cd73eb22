//! Nothing: the tests of the whole are in `tests/tests`.
