# Frame and navigation
skip = Zum Inhalt
nav = Bereiche
nav-open = Menü öffnen
nav-containers = Container
nav-templates = Vorlagen
nav-tasks = Aufgaben
breadcrumb = Sie sind hier
search = Container suchen
tasks-running = aktiv
live = Live
live-note = Die Zahlen auf dieser Seite erneuern sich von selbst
live-lost = Verbindung unterbrochen, Zahlen von
pages = Seiten
page-previous = Zurück
page-next = Weiter
reload = Neu laden
actions = Aktionen
yes = Ja
no = Nein
apply = Übernehmen
discard = Verwerfen
cancel = Abbrechen
delete = Löschen
filter = Filtern
filter-remove = Alle zeigen
file = Datei
advanced = Weitere Einstellungen
form-errors = Bitte prüfen:
form-leave = Änderungen auf dieser Seite sind noch nicht gespeichert.
field-missing = Dieses Feld muss ausgefüllt sein.

# Account
login = Anmelden
logout = Abmelden
user = Benutzer
password = Passwort
password-again = Passwort wiederholen
password-help = Mindestens 8 Zeichen, gern ein Satz. Einfügen und Passwortverwaltungen funktionieren.
password-differs = Die beiden Passwörter sind verschieden.
login-wrong = Benutzername oder Passwort ist falsch.
login-throttled = Zu viele Fehlversuche: { $n } s warten, dann erneut versuchen.
language = Sprache
language-auto = Wie der Browser
theme = Farben
theme-auto = Wie das System
theme-light = Hell
theme-dark = Dunkel
setup = Kiste einrichten
setup-intro = Diese Seite legt den ersten Administrator an. Sie ist offen, bis es einen gibt.
setup-code = Einrichtungscode
setup-code-help = Er wurde beim Start von Kiste ausgegeben. Einen neuen gibt kiste setup-code auf dem Knoten aus.
setup-finish = Konto anlegen

# Container states
status = Status
status-any = Jeder Status
status-creating = Wird erstellt
status-stopped = Gestoppt
status-starting = Startet
status-running = Läuft
status-frozen = Angehalten
status-stopping = Wird beendet
status-failed = Fehlgeschlagen
status-unknown = Unbekannt

# Containers
name = Name
address = Adresse
hostname = Rechnername
cpu = CPU
memory = Arbeitsspeicher
swap = Swap
cores = Kerne
cpulimit = CPU-Grenzwert
cpuunits = CPU-Anteile
pids = Prozesse
disk = Platte
network = Netzwerk
pressure = Wartezeit (PSI)
cache = Cache
peak = Höchstwert
uptime = Läuft seit
template = Vorlage
onboot = Startet mit dem Knoten
onboot-label = Mit dem Knoten starten
id-range = IDs auf dem Host
in-use = belegt
list-changed = Die Liste hat sich geändert.
containers-empty = Ein Container ist ein kleiner eigener Rechner: System, Dienste, Adresse. Noch gibt es keinen.
containers-search = Name, Nummer, Adresse oder Vorlage
containers-no-match = Kein Container passt dazu.
containers-count = { $n ->
    [one] { $n } Container
   *[other] { $n } Container
}
container-new = Neuer Container
container-create = Container erstellen
container-delete = Container löschen
container-task = An diesem Container arbeitet eine Aufgabe.
start = Starten
shutdown = Herunterfahren
stop = Sofort beenden
reboot = Neu starten
suspend = Anhalten
resume = Fortsetzen
console = Konsole
summary = Übersicht
resources = Ressourcen
summary-machine = Rechner
summary-isolation = Abschottung
summary-isolation-note = Kein anderer Container teilt diese IDs; root darin ist auf dem Host ein gewöhnlicher Benutzer.
summary-command = Shell auf dem Knoten
delete-note = Löscht den Container mit allem, was darin ist.

# Confirmations
confirm-start = { $name } starten?
confirm-start-note = Der Container startet mit seinen jetzigen Einstellungen.
confirm-shutdown = { $name } herunterfahren?
confirm-shutdown-note = Die Dienste darin werden gebeten, sich zu beenden; was nach 60 Sekunden noch läuft, wird beendet. Wer ihn benutzt, wird getrennt.
confirm-stop = { $name } sofort beenden?
confirm-stop-note = Alles darin endet in diesem Augenblick, wie beim Ziehen des Steckers: Ungespeichertes ist verloren.
confirm-reboot = { $name } neu starten?
confirm-reboot-note = Die Dienste darin enden und starten wieder. Wer ihn benutzt, wird für einige Sekunden getrennt.
confirm-suspend = { $name } anhalten?
confirm-suspend-note = Nichts darin läuft, bis er fortgesetzt wird; Verbindungen können abbrechen. Der Arbeitsspeicher bleibt belegt.
confirm-resume = { $name } fortsetzen?
confirm-resume-note = Alles darin geht dort weiter, wo es war.
delete-heading = { $name } löschen?
delete-consequence = Alle Dateien des Containers, seine Adresse und seine Einstellungen werden gelöscht. Das lässt sich nicht rückgängig machen.
delete-kept = Die Vorlage bleibt installiert, und das Protokoll der Änderungen behält, was getan wurde.
delete-running = Er läuft und wird sofort beendet.
delete-type = Zur Bestätigung { $name } eintippen
delete-mistyped = Das ist nicht der Name: bitte { $name } eintippen.

# Create
new-choose = Woraus soll er entstehen?
new-from = Neuer Container aus { $name }
new-name-help = Sein Name im Netz: Buchstaben, Ziffern und Bindestriche, etwa web oder web.example.org.
memory-help = Etwa 512M oder 2G. { $name } könnten jetzt vergeben werden.
cores-help = Leer: alle { $name } dieses Knotens.
new-access = Zugang
new-access-help = Nichts davon ist nötig: Die Konsole auf dieser Seite geht ohne Passwort.
new-password = Passwort für root
new-password-help = Leer: root hat kein Passwort.
ssh-keys = SSH-Schlüssel für root
ssh-keys-help = Öffentliche Schlüssel, einer je Zeile.
new-vmid-help = Nummer ab 100. Leer: die niedrigste freie.
swap-help = Zusätzlich zum Arbeitsspeicher. 0 schaltet ihn ab.
cpulimit-help = CPU-Zeit in Kernen, etwa 0,5. Leer: so viel, wie die Kerne hergeben.
cpuunits-help = Anteil bei knapper CPU: 1 bis 10000, 100 ist üblich.
pids-help = Höchstzahl der Prozesse und Threads.
new-start = Nach dem Erstellen starten

# Resources
resources-memory-help = Etwa 512M oder 2G, mindestens 16M.
resources-cores-help = Leer: alle des Knotens.
resources-live = Änderungen gelten sofort, auch im laufenden Betrieb.
resources-stale = Diese Einstellungen wurden inzwischen von jemand anderem geändert. Bitte die Werte prüfen; Übernehmen würde die anderen ersetzen.
resources-now = Jetzt:
resources-below = Der neue Grenzwert liegt unter dem belegten Speicher: Programme darin können beendet werden.
resources-below-yes = Trotzdem senken

# Console
console-shell = Root-Shell
console-login = Anmeldekonsole
console-connecting = Verbinden…
console-connected = Verbunden
console-watching = Jemand anderes tippt; eine Taste drücken, um zu übernehmen.
console-exited = Die Shell ist beendet.
console-ended = Der Container ist gestoppt.
console-lost = Die Verbindung ist unterbrochen.
console-again = Neu verbinden
console-no-script = Die Konsole braucht JavaScript. Auf dem Knoten selbst hilft
console-stopped = Der Container läuft nicht. Starten Sie ihn und sehen Sie hier beim Hochfahren zu.
console-denied = Dafür ist das Recht VM.Console an diesem Container nötig: bitte einen Administrator fragen.

# Tasks
task = Aufgabe
task-running = Läuft
task-done = Fertig
task-failed = Fehlgeschlagen
task-cancelled = Abgebrochen
task-create = Erstellen
task-start = Starten
task-shutdown = Herunterfahren
task-stop = Beenden
task-reboot = Neu starten
task-suspend = Anhalten
task-resume = Fortsetzen
task-destroy = Löschen
task-template-build = Vorlage bauen
task-template-import = Vorlage importieren
task-template-remove = Vorlage löschen
task-step = Schritt
task-log = Verlauf
task-progress = Fortschritt
task-show = Aufgabe zeigen
task-open = Weiter
task-cancel = Aufgabe abbrechen
tasks-empty = Noch wurde nichts getan.
started = Begonnen
duration = Dauer
step-layer = Schicht anlegen
step-network = Netzwerk
step-settings = Einstellungen
step-start = Starten
step-undo = Zurücknehmen
step-lists = Paketlisten
step-download = Pakete laden
step-base = Grundsystem
step-packages = Pakete
step-hooks = Einrichten
step-clean = Aufräumen
step-pack = Packen
step-compress = Verdichten
step-unpack = Entpacken
step-install = Installieren
step-shutdown = Herunterfahren
step-stop = Beenden
step-destroy = Löschen
step-remove = Entfernen

# Templates
templates-intro = Eine Vorlage enthält das Betriebssystem und auf Wunsch eine Anwendung. Container teilen sie sich; keiner kopiert sie.
templates-installed = Installiert
templates-empty = Keine Vorlage ist installiert. Bauen Sie eine aus einem Rezept oder importieren Sie ein Archiv.
templates-recipes = Rezepte
templates-recipes-note = Werden auf diesem Knoten aus Debians Paketen gebaut. Das dauert ein bis zwei Minuten.
templates-recipes-none = Keine Rezepte gefunden: recipes in der Konfiguration setzen.
templates-recipes-empty = Alle Rezepte sind installiert.
templates-import = Importieren
templates-import-help = Kistes eigenes Archiv oder ein beliebiges Root-Dateisystem als .tar.zst, .tar.xz oder .tar.gz.
templates-import-name-help = Nötig bei einem Archiv, das keinen Namen mitbringt.
template-build = Bauen
template-delete = Vorlage löschen
template-delete-heading = Die Vorlage { $name } löschen?
template-delete-consequence = Aus ihr kann kein neuer Container entstehen, bis sie wieder gebaut oder importiert ist.
template-delete-containers = Diese Container sind aus ihr entstanden und laufen weiter:
version = Version
origin = Herkunft
origin-built = Hier gebaut
origin-imported = Importiert
packages = Pakete
size = Größe
installed = Installiert

# Messages after an action
flash-start = Er startet.
flash-shutdown = Er fährt herunter.
flash-stop = Er wird beendet.
flash-reboot = Er startet neu.
flash-suspend = Er wird angehalten.
flash-resume = Er läuft weiter.
flash-saved = Gespeichert und schon wirksam.
flash-cancel = Die Aufgabe wurde gebeten, sich zu beenden.

# Errors
error-denied = Nicht erlaubt
error-not-found = Nicht gefunden
error-conflict = Jetzt nicht möglich
error-invalid = Nicht angenommen
error-throttled = Zu viele Versuche
error-unavailable = Nicht verfügbar
error-internal = Etwas ist schiefgegangen
error-no-page = Diese Seite gibt es nicht. Sie wurde vielleicht gelöscht oder umbenannt.
error-task = Die Aufgabe zeigen, die im Weg ist
error-back = Zurück
