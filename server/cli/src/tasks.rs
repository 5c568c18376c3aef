//! Verbs on tasks, and following one to its end.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};
use model::{
    TaskId,
    task::{Task, TaskState},
};
use protocol::engine::{
    calls::{CancelTask, GetTask, GetTaskLog, ListTasks, Subscribe},
    events::{Event, Topic},
};

use crate::{CliError, Session, command::TaskCommand, show};

/// Waits for a task and shows how it goes; with `--no-wait` prints its id.
pub(crate) fn follow(session: &Session, id: &TaskId) -> Result<(), CliError> {
    if !session.is_waiting {
        if session.is_json {
            return show::json(id).map(drop);
        }
        println!("{id}");
        return Ok(());
    }
    let stream = session.another()?;
    stream.call(Subscribe { topics: vec![Topic::Task(id.clone())] })?;
    let bar =
        if std::io::stderr().is_terminal() { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
    bar.enable_steady_tick(std::time::Duration::from_millis(100));
    let task = loop {
        let event = stream.next_event().map_err(protocol::CallError::from)?;
        match event.ok_or(protocol::CallError::Closed)? {
            Event::Task(task) if task.state != TaskState::Running => break task,
            Event::Task(task) => show_step(&bar, task),
            Event::TaskLog { lines, .. } => {
                for line in lines.iter().filter(|l| !l.starts_with("TASK ")) {
                    tell(session, &bar, line);
                }
            }
            _ => {}
        }
    };
    bar.finish_and_clear();
    match task.state {
        TaskState::Done => Ok(()),
        _ => Err(CliError::TaskFailed(task.error.unwrap_or_else(|| "the task was cancelled".to_owned()))),
    }
}

/// A spinner with the step; a bar while the step's progress is known.
fn show_step(bar: &ProgressBar, task: Task) {
    match task.progress {
        Some(percent) => {
            bar.set_length(100);
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} [{bar:40}] {pos} %") {
                bar.set_style(style);
            }
            bar.set_position(percent.into());
        }
        None => bar.set_style(ProgressStyle::default_spinner()),
    }
    bar.set_message(task.step.unwrap_or_default());
}

fn tell(session: &Session, bar: &ProgressBar, line: &str) {
    let line = show::plain(line);
    match line.strip_prefix("step ") {
        Some(step) if bar.is_hidden() && !session.is_json => eprintln!("{step} ..."),
        Some(_) => {}
        None if session.is_json => {}
        None => bar.suspend(|| eprintln!("{line}")),
    }
}

pub(crate) fn run(session: &Session, verb: TaskCommand) -> Result<u8, CliError> {
    match verb {
        TaskCommand::List => {
            let tasks = session.client.call(ListTasks { limit: 50, container: None })?;
            if session.is_json { show::json(&tasks) } else { Ok(show::table(HEADER, tasks.iter().map(row))) }
        }
        TaskCommand::Status { id } => {
            let task = session.client.call(GetTask { task: id })?;
            if session.is_json { show::json(&task) } else { Ok(show::table(HEADER, [row(&task)])) }
        }
        TaskCommand::Log { id } => {
            let lines = session.client.call(GetTaskLog { task: id, from: 0 })?;
            if session.is_json {
                return show::json(&lines);
            }
            for line in lines {
                println!("{}", show::plain(&line));
            }
            Ok(0)
        }
        TaskCommand::Cancel { id } => {
            session.client.call(CancelTask { task: id })?;
            Ok(0)
        }
    }
}

const HEADER: &[&str] = &["STATE", "TASK", "OBJECT", "BY", "SECONDS", "ID", "ERROR"];

fn row(task: &Task) -> Vec<String> {
    let seconds = task.ended.map(|end| (end - task.started).to_string());
    vec![
        task.state.as_str().to_owned(),
        task.kind.as_str().to_owned(),
        task.title.clone(),
        task.user.to_string(),
        seconds.unwrap_or_else(|| "-".to_owned()),
        task.id.to_string(),
        task.error.clone().unwrap_or_default(),
    ]
}
