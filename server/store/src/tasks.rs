//! Tasks and their logs.

use model::{TaskId, task::Task};
use rusqlite::{OptionalExtension, params};

use crate::{Store, StoreError};

/// Most lines kept of one task's log.
const LOG_MAX: u32 = 5000;

impl Store {
    /// The next running number.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn next_task_number(&self) -> Result<u32, StoreError> {
        Ok(self.lock().query_row("SELECT COALESCE(MAX(number), 0) + 1 FROM tasks", [], |r| r.get(0))?)
    }

    /// Adds a task, or writes its present state.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn put_task(&self, task: &Task) -> Result<(), StoreError> {
        let number = task.id.parts().map(|p| p.number).ok_or(StoreError::Absent)?;
        let sql = "INSERT INTO tasks VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
            ON CONFLICT(number) DO UPDATE SET state = ?4, task = ?6";
        let json = serde_json::to_string(task)?;
        let values = params![number, task.id.as_str(), task.object, task.state.as_str(), task.started, json];
        self.lock().execute(sql, values)?;
        Ok(())
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

    /// Appends a line to a task's log and gives its number; beyond the bound it is passed over.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn append_task_log(&self, id: &TaskId, text: &str) -> Result<Option<u32>, StoreError> {
        let number = id.parts().map(|p| p.number).ok_or(StoreError::Absent)?;
        self.transaction(|c| {
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
