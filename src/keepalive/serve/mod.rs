//! `keepalive serve`: runs passes again and again, and shows the state of the jobs over HTTP.

mod board;
mod http;
mod log;

use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::status::rows;
use super::{Keeper, Options, Output, run};
use crate::keepalive::job::{Job, When, pace};
use crate::model::{Exit, Failure};
use board::{Board, Told};

pub use log::Log;

/// The shortest and the longest time between two passes.
const SHORTEST: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(60);

/// Where it listens.
#[derive(Debug, Clone)]
pub struct Serve {
    /// The addresses: as many of them as there are, and one at least.
    pub listen: Vec<SocketAddr>,
}

/// Serves until a signal ends it.
///
/// # Errors
/// Exit code 75 where another one serves from this state folder; 1 where it cannot listen.
pub fn serve(
    keeper: &Keeper<'_>,
    options: &Serve,
    mut log: Log,
    warn: &dyn Fn(&Failure),
) -> Result<Exit, Failure> {
    let serving = keeper.store.serving()?;
    let listeners = listen(&options.listen)?;
    let first = listeners.first().and_then(|listener| listener.local_addr().ok());
    let address = first.map_or_else(|| "?".to_owned(), |found| found.to_string());
    let interval = interval(keeper.jobs);
    let board = Arc::new(Mutex::new(Board::new(Told::of(keeper.jobs), interval, Instant::now())));
    post(&board, keeper);
    let (shown, clock) = (Arc::clone(&board), keeper.clock);
    http::spawn(listeners, move |path| lock(&shown).answer(path, Instant::now(), clock()))
        .map_err(|error| {
            Failure::new(format!("cannot serve: {}", crate::model::describe(&error)))
                .hint("check the limits on threads and open files")
        })?;
    let _ = writeln!(log, "serving on http://{address}");
    let news = Options { output: Output::News, ..Options::default() };
    let mut last_trouble = None;
    while !keeper.interrupt.asked() {
        let trouble = match run(keeper, &news, &mut log) {
            // A timer's pass is as good as ours.
            Err(failure) if failure.exit != Exit::Locked => Some(failure),
            _ => None,
        };
        if let Some(failure) = &trouble
            && last_trouble.as_ref() != Some(&failure.message)
        {
            warn(failure);
        }
        last_trouble = trouble.map(|failure| failure.message);
        lock(&board).passed(Instant::now(), last_trouble.clone());
        post(&board, keeper);
        if !keeper.store.is_held(&serving) {
            let message = "the state folder was removed or replaced while serving";
            return Err(Failure::new(message).hint("start keepalive serve again"));
        }
        keeper.interrupt.sleep(interval);
    }
    Ok(Exit::Done)
}

/// Shows how jobs stand. What cannot be read is told by the pass.
fn post(board: &Mutex<Board>, keeper: &Keeper<'_>) {
    if let Ok((known, _)) = keeper.store.look() {
        let rows = rows(keeper, &known);
        lock(board).post(&rows);
    }
}

fn lock(board: &Mutex<Board>) -> MutexGuard<'_, Board> {
    board.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How often a pass comes: as a timer's would, and at least once a minute. A job may be due every half a
/// minute here, where each pass costs next to nothing.
fn interval(jobs: &[Job]) -> Duration {
    let shortest = jobs.iter().filter_map(|job| match job.when {
        When::Every(span) => Some(span / 6),
        When::Daily(_) | When::BeforeExpiry(_) => None,
    });
    let shortest = shortest.min().unwrap_or(LONGEST);
    pace(jobs).min(shortest).clamp(SHORTEST, LONGEST)
}

fn listen(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, Failure> {
    let mut listeners = Vec::new();
    let mut why = "an empty list of addresses".to_owned();
    for address in addresses {
        match TcpListener::bind(address) {
            Ok(listener) => listeners.push(listener),
            // Where that of IPv6 takes IPv4 as well, there is no place for another one.
            Err(error) if listeners.is_empty() => {
                why = format!("{address}: {}", crate::model::describe(&error));
            }
            Err(_) => {}
        }
    }
    if !listeners.is_empty() {
        return Ok(listeners);
    }
    Err(Failure::new(format!("cannot listen on {why}"))
        .hint("choose another address with --listen ADDRESS:PORT"))
}
