//! How the contestants do with more connections, more workers and larger sessions.

use crate::{Outcome, machine, options::Options, rounds::Rounds, table::table};

const CONNECTIONS: [usize; 4] = [1, 8, 64, 512];
const WORKERS: [usize; 2] = [1, 2];
const BYTES: [usize; 3] = [200, 4 * 1024, 64 * 1024];

pub(crate) fn run(options: &Options) -> Outcome<String> {
    let Options { rounds, seconds, connections, workers, .. } = options;
    let mut text = format!(
        "{}\nMedians of {rounds} rounds of {seconds} s: requests a second (CPU µs a request).\n",
        machine::shape()?
    );
    text += &format!("\nConnections, workers: {workers}.\n\n");
    text += &grown(options, &CONNECTIONS, |options, value| options.connections = value)?;
    text += &format!("\nWorkers, {connections} connections.\n\n");
    text += &grown(options, &WORKERS, |options, value| options.workers = value)?;
    text += &format!("\nBytes of a session, {connections} connections, workers: {workers}.\n\n");
    text += &grown(options, &BYTES, |options, value| options.bytes = Some(value))?;
    Ok(text)
}

/// A column for each value.
fn grown(options: &Options, values: &[usize], set: fn(&mut Options, usize)) -> Outcome<String> {
    let mut head = vec!["path".to_owned(), "server".to_owned()];
    let mut measured = Vec::new();
    for value in values {
        let mut options = options.clone();
        set(&mut options, *value);
        eprintln!("{value} of {values:?}");
        head.push(value.to_string());
        measured.push(Rounds::run(&options)?);
    }
    let mut rows = vec![head];
    for path in &options.paths {
        for (name, _) in &options.servers {
            let mut row = vec![format!("`/{path}`"), name.clone()];
            row.extend(measured.iter().map(|rounds| {
                let rate = rounds.figure(path, name, |figures| figures.rate).median;
                let cpu = rounds.figure(path, name, |figures| figures.cpu).median;
                format!("{rate:.0} ({cpu:.1})")
            }));
            rows.push(row);
        }
    }
    Ok(table(2, &rows))
}
