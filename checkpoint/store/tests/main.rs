//! The store of checkpoints on real disks: what it must do, killed at every step, on disks that fail, with damage in what it wrote.

#![allow(clippy::unwrap_used)]

mod conformance;
mod crash;
mod damage;
mod generations;
mod golden;
mod inspect;
mod life;
mod s3;
mod slow;
