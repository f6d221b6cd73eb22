//! The commands, one module each.

mod check;
mod checkpoint;
mod contract;
mod data;
mod durable;
mod explain;
mod fmt;
mod init;
mod planned;
mod run;
mod test;

use crate::{
    Exit,
    cli::{Arguments, Command, Data},
    screen::Screen,
};

pub(crate) fn run(arguments: Arguments) -> Exit {
    let screen = Screen::new(arguments.color);
    match &arguments.command {
        Command::Init(init) => init::run(init, &screen),
        Command::Check(check) => check::run(check, &screen),
        Command::Fmt(fmt) => fmt::run(fmt, &screen),
        Command::Explain(explain) => explain::run(explain, &screen),
        Command::Test(test) => test::run(test, &screen),
        Command::Run(run) => run::run(run, &screen),
        Command::Contract(contract) => contract::run(contract, &screen),
        Command::Data(Data::Fake(fake)) => data::fake(fake, &screen),
        Command::Checkpoint(checkpoint) => checkpoint::run(checkpoint, &screen),
    }
}
