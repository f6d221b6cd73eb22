//! Kafka, measured: `runi` from topic to nothing and from topic to topic, beside bare clients of librdkafka that do no more than move the same messages; and how late rows come out.
//!
//! What is measured runs as a process of its own, so that its processor time is its own; the broker is started here, on the same machine.

pub mod bare;
pub mod latency;
pub mod process;

use crate::{
    child::{Scratch, runi},
    run::BenchError,
};
use process::Used;
use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// Partitions of each topic.
pub const PARTITIONS: i32 = 2;

pub(crate) fn broken(what: &str, error: impl std::fmt::Display) -> BenchError {
    BenchError(format!("{what}: {error}"))
}

/// A broker of one's own, which stops with its owner.
pub struct Broker {
    /// Where it answers.
    pub address: String,
    folder: PathBuf,
    _scratch: Scratch,
}

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/kafka")
}

impl Broker {
    /// Starts it.
    ///
    /// # Errors
    /// Where it does not start.
    pub fn start(port: u16) -> Result<Self, BenchError> {
        let scratch = Scratch::new("kafka-bench")?;
        let folder = scratch.path().join("broker");
        let started = Command::new(deploy().join("start")).arg(port.to_string()).arg(&folder).output();
        let started = started.map_err(|e| broken("deploy/kafka/start", e))?;
        if !started.status.success() {
            return Err(broken("deploy/kafka/start", String::from_utf8_lossy(&started.stderr)));
        }
        Ok(Broker { address: format!("127.0.0.1:{port}"), folder, _scratch: scratch })
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // What goes wrong here shows at the next start.
        let _ = Command::new(deploy().join("stop")).arg(&self.folder).status();
    }
}

/// The contract of a bid in JSON.
pub const BID: &str = "Contract: Bid version 1
  | field     | type          | rules                |
  | auction   | int           | required             |
  | bidder    | int           | required             |
  | price     | int           | required             |
  | channel   | string        | required             |
  | url       | string        | required             |
  | date_time | timestamp(us) | required, event time |
  | extra     | string        | required             |

";

/// Fills the topic `bids`; gives how many there are.
///
/// # Errors
/// Where `runi` does not run.
pub fn fill(broker: &Broker, events: u64) -> Result<u64, BenchError> {
    let scratch = Scratch::new("kafka-fill")?;
    let text = format!(
        "Feature: Bids\n  Scenario: Fill\n    @source(name=bids, type=nexmark, kind=bid, events={events})\n    @sink(type=kafka, brokers=\"{}\", topic=bids, partitions={PARTITIONS}, key=auction)\n",
        broker.address
    );
    runi(&scratch.file("fill.dsl", &text)?, 1)?;
    bare::length(&broker.address, "bids")
}

/// What one way took.
#[derive(Debug, Clone, Copy)]
pub struct Taken {
    /// Rows.
    pub rows: u64,
    /// Of the process.
    pub used: Used,
}

impl Taken {
    /// Million rows per second.
    pub fn rate(&self) -> f64 {
        self.rows as f64 / 1e6 / self.used.seconds
    }

    /// Million rows per second of processor time.
    pub fn per_core(&self) -> f64 {
        self.rows as f64 / 1e6 / self.used.cpu_seconds
    }
}

/// A scenario from the topic, run by `runi` to the topic's end.
///
/// # Errors
/// Where `runi` does not run.
pub fn scenario(broker: &Broker, rows: u64, steps: &str, sink: &str, state: bool) -> Result<Taken, BenchError> {
    let scratch = Scratch::new("kafka-scenario")?;
    let text = format!(
        "{BID}Feature: Bids\n  Scenario: Measured\n    @source(name=bids, type=kafka, brokers=\"{}\", topic=bids, until=latest, contract=Bid@1)\n{steps}    @sink({sink})\n",
        broker.address
    );
    let file = scratch.file("measured.dsl", &text)?;
    let mut command = process::runi()?;
    command.arg("run").arg(file).args(["--workers", "1"]);
    if state {
        command.arg("--state").arg(scratch.path().join("state"));
    }
    Ok(Taken { rows, used: process::used_by(&mut command)? })
}

/// A bare client that does the same to messages, without looking into them.
///
/// # Errors
/// Where it does not run.
pub fn bare(broker: &Broker, rows: u64, to: Option<&str>) -> Result<Taken, BenchError> {
    let this = std::env::current_exe().map_err(|e| broken("this program", e))?;
    let mut command = Command::new(this);
    command.args([bare::CHILD, &broker.address, "bids"]).args(to);
    Ok(Taken { rows, used: process::used_by(&mut command)? })
}
