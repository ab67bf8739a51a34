//! The table of contestants.

use crate::{
    Outcome, machine,
    options::Options,
    rounds::{Rounds, Spread},
    table::table,
};

pub(crate) fn run(options: &Options) -> Outcome<String> {
    let rounds = Rounds::run(options)?;
    let base: Vec<&str> = options.base.iter().map(String::as_str).filter(|base| takes_part(options, base)).collect();
    let mut head: Vec<String> =
        ["path", "server", "req/s", "CPU µs", "Redis CPU µs", "commands"].map(Into::into).into();
    for base in &base {
        head.extend([format!("rate of {base}"), format!("CPU of {base}")]);
    }
    let mut rows = vec![head];
    for path in &options.paths {
        for (name, _) in &options.servers {
            let mut row = vec![
                format!("`/{path}`"),
                name.clone(),
                format!("{:.0}", rounds.figure(path, name, |figures| figures.rate).median),
                format!("{:.1}", rounds.figure(path, name, |figures| figures.cpu).median),
                format!("{:.1}", rounds.figure(path, name, |figures| figures.redis_cpu).median),
                format!("{:.2}", rounds.figure(path, name, |figures| figures.commands).median),
            ];
            for base in &base {
                row.push(shown(rounds.ratio(path, name, base, |figures| figures.rate)));
                row.push(shown(rounds.ratio(path, name, base, |figures| 1.0 / figures.cpu)));
            }
            rows.push(row);
        }
    }
    let Options { rounds, seconds, connections, workers, .. } = options;
    let bytes = options.bytes.map(|bytes| format!(", sessions of {bytes} bytes")).unwrap_or_default();
    let shape = machine::shape()?;
    Ok(format!(
        "{shape}\nMedians of {rounds} rounds of {seconds} s, {connections} connections, workers: {workers}{bytes}.\n\n{}",
        table(2, &rows)
    ))
}

fn takes_part(options: &Options, base: &str) -> bool {
    options.servers.iter().any(|(name, _)| name == base)
}

fn shown(Spread { median, least, most }: Spread) -> String {
    format!("{median:.2} ({least:.2}–{most:.2})")
}
