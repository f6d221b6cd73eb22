//! The broker of a soak: Apache Kafka as one process, killed, stopped and started again on the same data.

use super::pause;
use crate::run::{BenchError, broken};
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
};
use std::{
    fs,
    future::Future,
    net::TcpListener,
    path::{Path, PathBuf},
    pin::pin,
    process::{Child, Command, Stdio},
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread,
    time::{Duration, Instant},
};

/// How long a process that was killed may take to be gone.
const GONE: Duration = Duration::from_secs(20);
/// How often that is looked for.
const LOOK: Duration = Duration::from_millis(10);

/// How a broker goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Going {
    /// It is asked to.
    Clean,
    /// `kill -9`.
    Killed,
}

/// A broker that goes with its owner, however that one ends.
pub(super) struct Broker {
    port: u16,
    folder: PathBuf,
    /// Stops the broker when its standard input is closed.
    keeper: Child,
}

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/kafka")
}

/// Two ports in a row that nobody has.
fn free_port() -> Result<u16, BenchError> {
    loop {
        let first = TcpListener::bind("127.0.0.1:0").map_err(broken)?;
        let port = first.local_addr().map_err(broken)?.port();
        if port < u16::MAX && TcpListener::bind(("127.0.0.1", port + 1)).is_ok() {
            return Ok(port);
        }
    }
}

impl Broker {
    /// Starts one, with its data in a folder.
    pub(super) fn start(folder: &Path) -> Result<Self, BenchError> {
        let script = "read -r _ || true; [ ! -e \"$1/pid\" ] || \"$0\" \"$1\"";
        let mut keeper = Command::new("setsid");
        keeper.args(["bash", "-c", script]).arg(deploy().join("stop")).arg(folder);
        let keeper = keeper.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().map_err(broken)?;
        let broker = Broker { port: free_port()?, folder: folder.to_owned(), keeper };
        broker.comes()?;
        Ok(broker)
    }

    pub(super) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Starts it, and waits until it answers.
    pub(super) fn comes(&self) -> Result<(), BenchError> {
        let mut start = Command::new(deploy().join("start"));
        script(start.arg(self.port.to_string()).arg(&self.folder), "the broker does not start")
    }

    /// Ends it, and waits until it is gone.
    pub(super) fn goes(&self, going: Going) -> Result<(), BenchError> {
        if going == Going::Clean {
            return script(Command::new(deploy().join("stop")).arg(&self.folder), "the broker does not stop");
        }
        let pid_file = self.folder.join("pid");
        let pid = fs::read_to_string(&pid_file).map_err(broken)?.trim().to_owned();
        script(Command::new("kill").args(["-9", &pid]), "the broker cannot be killed")?;
        let until = Instant::now() + GONE;
        // A process that nobody has asked after yet is gone too.
        while fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z ")) {
            if Instant::now() > until {
                return Err(BenchError(format!("the broker (process {pid}) outlives `kill -9`")));
            }
            pause(LOOK);
        }
        fs::remove_file(pid_file).map_err(broken)
    }

    /// Makes a topic.
    pub(super) fn topic(&self, name: &str, partitions: i32) -> Result<(), BenchError> {
        let admin: AdminClient<DefaultClientContext> =
            ClientConfig::new().set("bootstrap.servers", self.address()).create().map_err(broken)?;
        let new = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
        let made = wait_for(admin.create_topics([&new], &AdminOptions::new())).map_err(broken)?;
        made.into_iter().try_for_each(|m| m.map(drop).map_err(|(topic, code)| BenchError(format!("{topic}: {code}"))))
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        // What it could not stop, nobody here can.
        let _ = self.keeper.wait();
    }
}

fn script(command: &mut Command, what: &str) -> Result<(), BenchError> {
    let out = command.stdin(Stdio::null()).output().map_err(broken)?;
    if out.status.success() { Ok(()) } else { Err(BenchError(format!("{what}: {}", String::from_utf8_lossy(&out.stderr)))) }
}

/// Waits for what librdkafka answers from its own threads.
fn wait_for<F: Future>(future: F) -> F::Output {
    struct Unpark(thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}
