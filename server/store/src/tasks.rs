//! Tasks and their logs.

use model::{
    TaskId,
    refusal::Thing,
    task::{Task, TaskState},
};
use rusqlite::{OptionalExtension, params};

use crate::{Store, StoreError};

/// Most lines kept of one task's log.
const LOG_MAX: u32 = 5000;

impl Store {
    /// The next running number. Each is given once, also when its task is never stored or long forgotten.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn next_task_number(&self) -> Result<u32, StoreError> {
        let sql = "INSERT INTO settings VALUES ('task_number', (SELECT COALESCE(MAX(number), 0) + 1 FROM tasks)) \
            ON CONFLICT(key) DO UPDATE SET value = CAST(value AS INTEGER) + 1 \
            RETURNING CAST(value AS INTEGER)";
        // What a loss of power takes is the end of the log: the number goes together with its task.
        self.relaxed_transaction(|c| Ok(c.query_row(sql, [], |r| r.get(0))?))
    }

    /// Adds a task, or writes its present state. That it is under way is not worth waiting for the disk: no
    /// task survives its engine, and what it had begun is in the journal.
    ///
    /// # Errors
    /// [`StoreError::Taken`] when another task has its number.
    pub fn put_task(&self, task: &Task) -> Result<(), StoreError> {
        let number = task.id.parts().map(|p| p.number).ok_or(StoreError::Absent)?;
        let sql = "INSERT INTO tasks VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
            ON CONFLICT(number) DO UPDATE SET state = ?4, task = ?6 WHERE id = ?2";
        let json = serde_json::to_string(task)?;
        let values = params![number, task.id.as_str(), task.object, task.state.as_str(), task.started, json];
        let written = match task.state {
            TaskState::Running => self.relaxed_transaction(|c| Ok(c.execute(sql, values)?))?,
            TaskState::Done | TaskState::Failed | TaskState::Cancelled => self.lock().execute(sql, values)?,
        };
        match written {
            0 => Err(StoreError::Taken { what: Thing::Task, given: number.to_string() }),
            _ => Ok(()),
        }
    }

    /// Tasks that are at work, oldest first; at start: those that a crash cut off.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn list_running_tasks(&self) -> Result<Vec<Task>, StoreError> {
        let connection = self.lock();
        let sql = "SELECT task FROM tasks WHERE state = 'running' ORDER BY number";
        let mut query = connection.prepare_cached(sql)?;
        let rows = query.query_map([], |r| r.get::<_, String>(0))?;
        rows.collect::<Result<Vec<_>, _>>()?.iter().map(|j| Ok(serde_json::from_str(j)?)).collect()
    }

    /// One task.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn find_task(&self, id: &TaskId) -> Result<Option<Task>, StoreError> {
        let sql = "SELECT task FROM tasks WHERE id = ?1";
        let json: Option<String> = self.lock().query_row(sql, [id.as_str()], |r| r.get(0)).optional()?;
        Ok(json.map(|j| serde_json::from_str(&j)).transpose()?)
    }

    /// The newest tasks, of one object or of all.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn list_tasks(&self, limit: u32, object: Option<&str>) -> Result<Vec<Task>, StoreError> {
        let connection = self.lock();
        let sql = "SELECT task FROM tasks WHERE ?2 IS NULL OR object = ?2 ORDER BY number DESC LIMIT ?1";
        let mut query = connection.prepare_cached(sql)?;
        let rows = query.query_map(params![limit, object], |r| r.get::<_, String>(0))?;
        rows.collect::<Result<Vec<_>, _>>()?.iter().map(|j| Ok(serde_json::from_str(j)?)).collect()
    }

    /// Appends a line to a task's log and gives its number; beyond the bound it is passed over. The last
    /// lines may be lost with the machine's power: a full sync a line would slow a build down.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn append_task_log(&self, id: &TaskId, text: &str) -> Result<Option<u32>, StoreError> {
        let number = id.parts().map(|p| p.number).ok_or(StoreError::Absent)?;
        self.relaxed_transaction(|c| {
            let sql = "SELECT COALESCE(MAX(line), -1) + 1 FROM task_log WHERE task = ?1";
            let line: u32 = c.query_row(sql, [number], |r| r.get(0))?;
            if line >= LOG_MAX {
                return Ok(None);
            }
            c.execute("INSERT INTO task_log VALUES (?1, ?2, ?3)", params![number, line, text])?;
            Ok(Some(line))
        })
    }

    /// Lines of a log from a number on.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn list_task_log(&self, id: &TaskId, from: u32) -> Result<Vec<String>, StoreError> {
        let number = id.parts().map(|p| p.number).ok_or(StoreError::Absent)?;
        let connection = self.lock();
        let mut query =
            connection.prepare("SELECT text FROM task_log WHERE task = ?1 AND line >= ?2 ORDER BY line")?;
        Ok(query.query_map(params![number, from], |r| r.get(0))?.collect::<Result<_, _>>()?)
    }

    /// Forgets tasks that began before a time.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn prune_tasks(&self, before: i64) -> Result<(), StoreError> {
        self.lock().execute("DELETE FROM tasks WHERE started < ?1 AND state <> 'running'", [before])?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::task::{TaskIdParts, TaskKind};

    fn task(number: u32, object: &str, started: i64) -> Task {
        let parts = TaskIdParts {
            node: "pve1".parse().unwrap(),
            number,
            engine_start: 1,
            start: 2,
            kind: TaskKind::Start,
            object: object.into(),
            user: "root@pam".parse().unwrap(),
        };
        Task {
            id: TaskId::new(&parts),
            kind: parts.kind,
            object: parts.object,
            title: "web".into(),
            user: parts.user,
            state: TaskState::Running,
            step: None,
            progress: None,
            error: None,
            started,
            ended: None,
        }
    }

    #[test]
    fn a_number_is_never_given_twice() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("kiste.db");
        let store = Store::open(&path).unwrap();
        let mut numbers: Vec<u32> = std::thread::scope(|scope| {
            let take = || (0..10).map(|_| store.next_task_number().unwrap()).collect::<Vec<_>>();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(take)).collect();
            threads.into_iter().flat_map(|t| t.join().unwrap()).collect()
        });
        numbers.sort_unstable();
        assert_eq!(numbers, (1..=40).collect::<Vec<_>>());
        drop(store);
        assert_eq!(Store::open(&path).unwrap().next_task_number().unwrap(), 41);
    }

    #[test]
    fn a_task_never_overwrites_another() {
        let store = Store::in_memory().unwrap();
        let first = task(1, "100", 5);
        store.put_task(&first).unwrap();
        assert!(matches!(store.put_task(&task(1, "101", 5)), Err(StoreError::Taken { .. })));
        let ended = Task { state: TaskState::Done, ended: Some(6), ..first };
        store.put_task(&ended).unwrap();
        assert_eq!(store.find_task(&ended.id).unwrap(), Some(ended));
    }

    #[test]
    fn tasks_are_listed_newest_first_by_object_and_by_state() {
        let store = Store::in_memory().unwrap();
        for (number, object) in [(1, "100"), (2, "101"), (3, "100")] {
            store.put_task(&task(number, object, 5)).unwrap();
        }
        let done = Task { state: TaskState::Done, ..task(3, "100", 5) };
        store.put_task(&done).unwrap();
        let numbers =
            |tasks: Vec<Task>| tasks.iter().map(|t| t.id.parts().unwrap().number).collect::<Vec<_>>();
        assert_eq!(numbers(store.list_tasks(2, None).unwrap()), [3, 2]);
        assert_eq!(numbers(store.list_tasks(9, Some("100")).unwrap()), [3, 1]);
        assert_eq!(numbers(store.list_running_tasks().unwrap()), [1, 2]);
        // What is at work is never forgotten, however old.
        store.prune_tasks(100).unwrap();
        assert_eq!(numbers(store.list_tasks(9, None).unwrap()), [2, 1]);
    }

    #[test]
    fn a_log_is_read_from_any_line_is_bounded_and_goes_with_its_task() {
        let store = Store::in_memory().unwrap();
        let task = task(1, "100", 5);
        assert!(store.append_task_log(&task.id, "no such task").is_err());
        store.put_task(&task).unwrap();
        for n in 0..LOG_MAX {
            assert_eq!(store.append_task_log(&task.id, &n.to_string()).unwrap(), Some(n));
        }
        assert_eq!(store.append_task_log(&task.id, "one too many").unwrap(), None);
        assert_eq!(store.list_task_log(&task.id, LOG_MAX - 2).unwrap(), ["4998", "4999"]);
        store.put_task(&Task { state: TaskState::Failed, ..task.clone() }).unwrap();
        store.prune_tasks(6).unwrap();
        assert_eq!(store.find_task(&task.id).unwrap(), None);
        assert!(store.list_task_log(&task.id, 0).unwrap().is_empty());
    }
}
