//! The memory store, from a thousand sessions to a million.

use std::{collections::HashMap, env, process::Command};

use crate::{Outcome, machine, table::table};

const SESSIONS: [usize; 4] = [1_000, 10_000, 100_000, 1_000_000];

pub(crate) fn run() -> Outcome<String> {
    let mut head = vec!["of sessions".to_owned()];
    let mut names: Vec<String> = Vec::new();
    let mut figures = HashMap::new();
    for sessions in SESSIONS {
        eprintln!("{sessions} of {SESSIONS:?}");
        head.push(sessions.to_string());
        // a process of its own each time, so that no memory is left from the time before
        let program = env::current_exe()?.with_file_name("memory");
        let output = Command::new(program).arg(sessions.to_string()).output()?;
        if !output.status.success() {
            return Err(format!("memory {sessions}: {}", String::from_utf8_lossy(&output.stderr)).into());
        }
        for line in String::from_utf8(output.stdout)?.lines() {
            let (name, figure) = line.split_once('\t').ok_or("a line without a figure")?;
            if !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
            figures.insert((name.to_owned(), sessions), figure.to_owned());
        }
    }
    let mut rows = vec![head];
    for name in names {
        let mut row = vec![name.clone()];
        row.extend(SESSIONS.map(|sessions| figures.remove(&(name.clone(), sessions)).unwrap_or_default()));
        rows.push(row);
    }
    Ok(format!("{}\n\n{}", machine::shape()?, table(1, &rows)))
}
