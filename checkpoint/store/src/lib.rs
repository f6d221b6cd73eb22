//! The durable side of state: tables in RocksDB, snapshots in an object store, and the protocol of checkpoints.
