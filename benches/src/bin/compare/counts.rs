//! Instructions, counted by valgrind, against those that are stored.

use std::{
    collections::HashMap,
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
};

use crate::{Outcome, machine, options::Options, table::table};

/// What a count may differ from the stored one, in per cent.
///
/// Run after run differs by 0.1 at most. Other machines differ by what libraries choose for a processor; valgrind shows
/// them all the same one, with AVX2 and neither SHA nor AVX-512, unless it is older than that.
const SLACK: f64 = 3.0;

/// How often a thing is done. It is done eleven times as often again, and the difference is ten times this, without what
/// it takes to start.
const TIMES: u64 = 50;

/// The table, and whether a count grew over the slack.
pub(crate) fn run(options: &Options) -> Outcome<(String, bool)> {
    let scenarios = scenarios()?;
    let counted: Vec<Outcome<u64>> = thread::scope(|scope| {
        let counting: Vec<_> = scenarios
            .iter()
            .map(|scenario| scope.spawn(|| count(scenario).map_err(|error| error.to_string())))
            .collect();
        let join = |counted: thread::ScopedJoinHandle<'_, _>| counted.join().map_err(|_| "counting panicked")?;
        counting.into_iter().map(|counted| Ok(join(counted)?)).collect()
    });
    let mut counts = Vec::new();
    for (scenario, counted) in scenarios.iter().zip(counted) {
        counts.push((scenario, counted.map_err(|error| format!("{scenario}: {error}"))?));
    }
    if options.update {
        update(&counts)?;
    }

    let stored = stored()?;
    let mut rows = vec![["of", "instructions", "stored", "change"].map(Into::into).to_vec()];
    let (mut grown, mut shrunk) = (Vec::new(), Vec::new());
    for (scenario, count) in &counts {
        let stored = *stored.get(*scenario).ok_or_else(|| format!("no count of {scenario} is stored; {RENEW}"))?;
        let change = 100.0 * (*count as f64 / stored as f64 - 1.0);
        if change > SLACK {
            grown.push(format!("{scenario} by {change:.1} %"));
        } else if change < -SLACK {
            shrunk.push(format!("{scenario} by {:.1} %", -change));
        }
        rows.push(vec![(*scenario).clone(), count.to_string(), stored.to_string(), format!("{change:+.2} %")]);
    }
    if !shrunk.is_empty() {
        eprintln!("compare: fewer instructions than stored: {}; {RENEW}", shrunk.join(", "));
    }
    if !grown.is_empty() {
        eprintln!("compare: more instructions than stored, and up to {SLACK} % is let through: {}", grown.join(", "));
        eprintln!("compare: if that is worth it, {RENEW}");
    }
    Ok((format!("{}\n\n{}", machine::shape()?, table(1, &rows)), !grown.is_empty()))
}

const RENEW: &str = "`benches/run counts --update` stores what was counted";

fn program() -> Outcome<PathBuf> {
    Ok(env::current_exe()?.with_file_name("count"))
}

fn scenarios() -> Outcome<Vec<String>> {
    let output = Command::new(program()?).output()?;
    Ok(String::from_utf8(output.stdout)?.lines().map(str::to_owned).collect())
}

/// Instructions of doing it once.
fn count(scenario: &str) -> Outcome<u64> {
    let few = instructions(scenario, TIMES)?;
    let many = instructions(scenario, 11 * TIMES)?;
    Ok(many.saturating_sub(few) / (10 * TIMES))
}

fn instructions(scenario: &str, times: u64) -> Outcome<u64> {
    let mut command = Command::new("valgrind");
    command
        .args(["--tool=cachegrind", "--cache-sim=no", "--branch-sim=no", "--cachegrind-out-file=/dev/null"])
        .arg(program()?)
        .args([scenario, &times.to_string()]);
    let output = command.output().map_err(|error| format!("valgrind does not start: {error}"))?;
    let report = String::from_utf8_lossy(&output.stderr);
    // ==4711== I   refs:      3,345,678
    let total = report.lines().find(|line| line.contains("I") && line.contains("refs:"));
    let total = total.and_then(|line| line.rsplit(' ').next()).map(|total| total.replace(',', ""));
    match total.and_then(|total| total.parse().ok()) {
        Some(total) if output.status.success() => Ok(total),
        _ => Err(format!("valgrind says {report}").into()),
    }
}

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("counts.txt")
}

fn stored() -> Outcome<HashMap<String, u64>> {
    let text = fs::read_to_string(file()).unwrap_or_default();
    let mut stored = HashMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (scenario, count) = line.split_once(' ').ok_or("a line of counts.txt without a count")?;
        stored.insert(scenario.to_owned(), count.trim().parse()?);
    }
    Ok(stored)
}

fn update(counts: &[(&String, u64)]) -> Outcome {
    let mut text = "# Instructions; written by `benches/run counts --update`.\n".to_owned();
    for (scenario, count) in counts {
        text += &format!("{scenario:<12}{count:>8}\n");
    }
    Ok(fs::write(file(), text)?)
}
