//! Kafka: topics as streams and tables, and the sink that writes each result once.
