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
heal-label = Neu starten, wenn die Gesundheitsprüfung immer wieder scheitert
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
capture = Vorlage daraus machen
capture-note = Neue Container beginnen mit dem, was in diesem ist; Identität, Schlüssel und Root-Passwort bleiben hier. Vorher anhalten oder pausieren.
capture-heading = Vorlage aus { $name } machen
capture-name = Name der Vorlage
capture-help = Buchstaben a bis z, Ziffern, Punkt und Bindestrich. Root-Passwort, SSH- und Host-Schlüssel, Maschinen-ID, Protokolle, Befehlsverläufe und temporäre Dateien bleiben weg; das Protokoll der Aufgabe nennt sie. Andere Benutzer des Systems bleiben, mit ihren Passwörtern.
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
forwards = Ports von außen
forwards-help = { $name } lässt andere Rechner über einen Port des Knotens hinein; mehrere mit Leerzeichen dazwischen.
reach-node = Nur von diesem Knoten aus
reach-forward = Einen Port des Knotens weiterleiten
reach-lan = Eigene Adresse im LAN
lan-bridge = Bridge
lan-bridge-help = Eine Bridge dieses Knotens, in der das Kabel des LAN steckt:
lan-bridge-none = Dieser Knoten hat noch keine Bridge, in der das Kabel des LAN steckt: Legen Sie eine an, etwa vmbr0.
lan-ip = Adresse
lan-ip-help = Leer: Der DHCP-Server des LAN vergibt sie. Sonst mit Präfix, etwa 192.168.1.50/24.
lan-gateway = Gateway
lan-gateway-help = Die Adresse des Routers; nur neben einer Adresse, die hier steht.
interface-own = Eigene Bridge von Kiste
interface-lan = Bridge { $name }
interface-dhcp = Adresse über DHCP
interface-due = ab dem nächsten Start
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
resources-forwards-help = Ports des Knotens, die hineinführen, etwa 8081:80 oder 5353:53/udp; mehrere mit Leerzeichen dazwischen. Leer: nur von diesem Knoten aus erreichbar.
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
console-ended = Der Container wurde gestoppt oder neu gestartet.
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
task-template-create = Vorlage aus Container
task-template-import = Vorlage importieren
task-template-remove = Vorlage löschen
task-template-download = Vorlage herunterladen
task-source-refresh = Quellen fragen
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
step-read = Lesen
step-compare = Vergleichen
step-compress = Verdichten
step-unpack = Entpacken
step-install = Installieren
step-shutdown = Herunterfahren
step-stop = Beenden
step-destroy = Löschen
step-remove = Entfernen
step-fetch = Herunterladen
step-refresh = Fragen
step-sources = Dateien der Hersteller

# Templates
nav-sources = Quellen
sources-intro = Vorlagen, die andere gebaut haben. Gefragt und heruntergeladen wird erst, wenn Sie es wollen, und benutzt nur, was versprochen war.
sources-empty = Es ist keine Quelle eingerichtet: Fügen Sie der Konfiguration [[source]] hinzu.
sources-refresh = Fragen
sources-refresh-all = Alle fragen
source-index = Signiertes Verzeichnis von Kiste
source-simplestreams = Abbildserver von LXC, Incus und LXD
source-aplinfo = Proxmox VEs Liste von Appliances
source-address = Adresse
source-trust = Geglaubt, weil
source-offers = Angebote
source-asked = Zuletzt gefragt
trust-tls = sie über TLS kommt; Prüfsummen stehen in ihrer Liste
trust-key = sie signiert ist von { $name }
never = nie
offers = Angebote
offers-search = Angebote durchsuchen
offers-search-button = Suchen
offers-empty = Nichts passt. Fragen Sie erst die Quellen, oder suchen Sie nach anderen Wörtern.
offers-hidden = { $n } weitere: Suchen Sie nach dem, was Sie brauchen.
offer-other = andere Version
download = Herunterladen
download-this = Diese Version herunterladen
templates-from-sources = Aus Quellen
templates-from-sources-note = Vorlagen, die andere gebaut haben, zum Herunterladen:
templates-import-url = Von einer Adresse
sha256 = SHA-256
sha256-help = 64 Hexziffern, wie sie der Anbieter des Archivs angibt. Ohne sie könnte jeder unterwegs es austauschen.
templates-intro = Eine Vorlage enthält das Betriebssystem und auf Wunsch eine Anwendung. Container teilen sie sich; keiner kopiert sie.
templates-installed = Installiert
templates-empty = Keine Vorlage ist installiert. Bauen Sie eine aus einem Rezept oder importieren Sie ein Archiv.
templates-recipes = Rezepte
templates-recipes-note = Werden auf diesem Knoten aus Debians Paketen gebaut. Das dauert ein bis zwei Minuten.
templates-recipes-none = Keine Rezepte gefunden: recipes in der Konfiguration setzen.
templates-import = Importieren
templates-import-help = Kistes eigenes Archiv oder ein beliebiges Root-Dateisystem als .tar.zst, .tar.xz, .tar.gz oder .tar.bz2.
templates-import-name-help = Nötig bei einem Archiv, das keinen Namen mitbringt.
template-build = Bauen
template-build-again = Neu bauen, mit neueren Paketen
template-build-new = Neue Version bauen
recipe-changed = geändert
template-delete = Vorlage löschen
template-delete-heading = Die Vorlage { $name } löschen?
template-delete-consequence = Aus ihr kann kein neuer Container entstehen, bis sie wieder gebaut oder importiert ist.
template-delete-containers = Diese Container sind aus ihr entstanden und laufen weiter:
version = Version
origin = Herkunft
origin-built = Hier gebaut
origin-imported = Importiert
origin-container = Aus einem Container
origin-downloaded = Heruntergeladen
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

# Anwendungen
health = Befinden
health-starting = Startet
health-healthy = Gesund
health-unhealthy = Krank
health-history = Verlauf
next-steps = Nächste Schritte
password-reveal = Zeigen
first-boot = Erster Start
first-boot-retry = Den Rest noch einmal versuchen
step-pending = wartet
step-running = läuft
step-done = fertig
step-failed = fehlgeschlagen
flash-first-boot = Der erste Start geht weiter.

# Errors
error-denied = Nicht erlaubt
error-not-found = Nicht gefunden
error-conflict = Jetzt nicht möglich
error-invalid = Nicht angenommen
error-throttled = Zu viele Versuche
error-unavailable = Nicht verfügbar
error-internal = Etwas ist schiefgegangen
error-no-page = Diese Seite gibt es nicht. Sie wurde vielleicht gelöscht oder umbenannt.
error-misfit = Die Adresse oder das Formular stammt nicht von diesen Seiten. Gehen Sie zurück, laden Sie die Seite neu und wiederholen Sie es.
error-task = Die Aufgabe zeigen, die im Weg ist
error-back = Zurück
error-origin = Diese Anfrage kam nicht von den eigenen Seiten: Öffnen Sie die Adresse von Kiste im Browser und wiederholen Sie es.
error-host = Diese Seite kennt den Namen nicht, unter dem sie gerufen wurde: Nehmen Sie Namen oder Adresse des Knotens, oder tragen Sie den Namen bei hosts in der Konfiguration ein.
error-too-many-pages = Zu viele Seiten sind offen: Schließen Sie einige davon.

# Ablehnungen: model::Refusal
refusal-not-a-vmid = „{ $given }“ ist keine Containernummer: Es muss eine ganze Zahl von 100 bis 999999999 sein.
refusal-name-length = Ein Name hat 1 bis { $max } Zeichen, „{ $given }“ hat { $len }.
refusal-not-a-label = „{ $given }“ ist kein DNS-Name: Nehmen Sie a-z, 0-9 und -, am Anfang und Ende Buchstabe oder Ziffer.
refusal-all-digits = „{ $given }“ besteht nur aus Ziffern und sähe aus wie eine Containernummer: Fügen Sie einen Buchstaben hinzu.
refusal-reserved-name = „{ $given }“ ist ein vorbehaltenes Wort: Wählen Sie einen anderen Namen.
refusal-not-a-size = „{ $given }“ ist keine Größe: Schreiben Sie eine Zahl mit K, M, G oder T, etwa 512M oder 1.5 GiB.
refusal-not-a-whole-number = „{ $given }“ ist keine ganze Zahl: Schreiben Sie eine wie 2.
refusal-not-a-cpu-limit = „{ $given }“ ist keine CPU-Grenze: Schreiben Sie eine Zahl von Kernen ab 0.01, etwa 0.5 oder 2.
refusal-not-a-mac = „{ $given }“ ist keine MAC-Adresse: Schreiben Sie sechs Hex-Paare mit Doppelpunkten, das erste gerade.
refusal-not-a-source-name = „{ $given }“ ist kein Name einer Quelle: Nehmen Sie 1 bis 32 Zeichen aus a-z, 0-9 und Strich, am Anfang Buchstabe oder Ziffer.
refusal-not-an-address = Von „{ $given }“ kann nicht heruntergeladen werden: { $why }
refusal-not-a-checksum = „{ $given }“ ist keine Prüfsumme: Schreiben Sie die 64 Hexziffern von SHA-256.
refusal-no-source = Es gibt keine Quelle { $name }: Eingerichtet sind { $known }.
refusal-no-offer = Keine Quelle bietet { $name } an: Fragen Sie die Quellen neu, auf der Seite Quellen.
refusal-offered-twice = { $name } wird von { $sources } angeboten: Wählen Sie eine davon.
refusal-not-a-forward = „{ $given }“ ist keine Portweiterleitung: Schreiben Sie KNOTEN:CONTAINER oder KNOTEN:CONTAINER/udp, etwa 8081:80.
refusal-not-a-template-name = „{ $given }“ ist kein Vorlagenname: Nehmen Sie 1 bis 64 Zeichen aus a-z, 0-9, Punkt und Strich, am Anfang Buchstabe oder Ziffer.
refusal-not-a-link-name = „{ $given }“ ist kein Name einer Bridge: 1 bis 15 Buchstaben, Ziffern, Punkt, Bindestrich oder Unterstrich.
refusal-not-a-net0 = „{ $given }“ ist keine Schnittstelle: name=eth0,bridge=vmbr0,ip=dhcp schreiben, oder ip=192.168.1.50/24,gw=192.168.1.1.
refusal-net0-key-unknown = Eine Schnittstelle hat keinen Schlüssel { $key }: Es gibt name, bridge, ip, gw, dns und hwaddr.
refusal-net0-key-later = Der Schlüssel { $key } einer Schnittstelle ist noch nicht gebaut: Lassen Sie ihn weg.
refusal-not-a-lan-address = „{ $given }“ ist keine Adresse für einen Rechner im LAN: dhcp schreiben, oder eine mit Präfix, etwa 192.168.1.50/24.
refusal-not-a-gateway = Das Gateway „{ $given }“ ist kein anderer Rechner in { $network }: Schreiben Sie die Adresse, die der Router dort hat.
refusal-gateway-with-dhcp = Gateway oder Nameserver wurde ohne Adresse angegeben: Über DHCP kommen sie mit ihr, sonst geben Sie auch die Adresse an.
refusal-not-a-name-server = „{ $given }“ ist kein Nameserver, den ein Container erreicht: Schreiben Sie eine IPv4-Adresse, die nicht die eigene Schleife ist.
refusal-too-many-name-servers = Eine Schnittstelle kann { $max } Nameserver haben.
refusal-bridge-missing = Adresse, Gateway und Nameserver gehören zu einer Schnittstelle im LAN: Nennen Sie auch ihre Bridge, etwa vmbr0.
refusal-not-a-task-id = „{ $given }“ ist keine Aufgabennummer: Öffnen Sie die Aufgabe aus der Liste.
refusal-not-a-user = „{ $given }“ ist kein Benutzer: Nehmen Sie 1 bis 60 Buchstaben, Ziffern, Punkte, Striche oder Unterstriche und ein Realm wie bei admin@pve.
refusal-not-an-ssh-key = „{ $given }“ ist kein öffentlicher SSH-Schlüssel: Jede Zeile beginnt wie ssh-ed25519 AAAA...
refusal-not-a-preference = „{ $given }“ ist kein Wert der Einstellung „{ $key }“.
refusal-no-parameter = Es gibt keinen Parameter { $name }: Es gibt { $known }.
refusal-parameter-missing = Der Parameter { $name } muss angegeben werden: Er hat keinen Vorgabewert.
refusal-parameter-length = Der Parameter { $name } hat { $len } Zeichen: Möglich sind { $min } bis { $max }.
refusal-parameter-control-character = Der Parameter { $name } enthält ein Steuerzeichen: Schreiben Sie ihn in eine Zeile.
refusal-parameter-value = Der Parameter { $name } kann nicht „{ $given }“ sein: Er muss von der Art { $kind } sein.
refusal-memory-too-small = { $given } Arbeitsspeicher ist zu wenig: Ein Container braucht mindestens 16 MiB.
refusal-memory-above-host = { $given } Arbeitsspeicher ist mehr, als dieser Knoten hat ({ $host }): Wählen Sie weniger.
refusal-swap-out-of-range = { $given } Swap liegt außerhalb des Bereichs: Wählen Sie höchstens 1 TiB.
refusal-cores-out-of-range = { $given } Kerne liegt außerhalb des Bereichs: Dieser Knoten hat { $host }, wählen Sie 1 bis { $host }.
refusal-cpu-limit-out-of-range = Eine CPU-Grenze von { $given } Kernen liegt außerhalb des Bereichs: Dieser Knoten hat { $host }, wählen Sie 0.01 bis { $host }.
refusal-cpu-units-out-of-range = { $given } CPU-Anteile liegt außerhalb des Bereichs: Wählen Sie 1 bis 10000 (100 ist normal).
refusal-pids-out-of-range = { $given } Prozesse liegt außerhalb des Bereichs: Wählen Sie 16 bis 4194304.
refusal-limits-refused = Der Kernel hat die Grenzen abgelehnt ({ $reason }): Vielleicht ist mehr in Gebrauch, als sie erlauben.
refusal-password-too-short = Das Passwort ist zu kurz: Nehmen Sie mindestens { $min } Zeichen.
refusal-password-too-long = Das Passwort ist zu lang: Nehmen Sie höchstens { $max } Bytes.
refusal-password-control-character = Das Passwort enthält ein Steuerzeichen: Nehmen Sie Zeichen, die man tippen kann.
refusal-wrong-password = Benutzername oder Passwort ist falsch.
refusal-wrong-setup-code = Der Einrichtungscode ist falsch: kiste setup-code auf dem Knoten gibt einen neuen aus.
refusal-setup-is-over = Die Einrichtung ist vorbei, es gibt einen Administrator: Melden Sie sich an.
refusal-too-many-tries = Zu viele Fehlversuche: { $seconds } s warten.
refusal-session-ended = Die Sitzung ist zu Ende: Melden Sie sich neu an.
refusal-forged-form = Das Formular gehört nicht zu dieser Sitzung: Laden Sie die Seite neu und wiederholen Sie es.
refusal-ticket-used-up = Die Eintrittskarte der Konsole ist verbraucht, zu alt oder nicht für diese: Öffnen Sie die Seite neu.
refusal-denied = Das Recht { $privilege } auf { $object } fehlt: Bitten Sie einen Administrator darum.
refusal-local-only = Das darf nur root auf dem Knoten selbst: Nehmen Sie dort die Befehlszeile.
refusal-no-container = Es gibt keinen Container { $name }: Die Liste zeigt alle.
refusal-no-template = Es gibt keine installierte Vorlage { $name }: Die Seite Vorlagen zeigt alle.
refusal-template-gone = Die Vorlage { $name } wurde inzwischen entfernt oder ersetzt: Versuchen Sie es noch einmal.
refusal-no-task = Es gibt keine Aufgabe { $name }: Die Seite Aufgaben zeigt alle.
refusal-taken = { $what ->
        [vmid] Die Containernummer
        [name] Der Name
        [id-block] Der ID-Block
        [mac] Die MAC-Adresse
        [address] Die Adresse
        [user] Der Benutzer
        [port] Der Port
       *[task] Die Aufgabennummer
    } { $given } ist vergeben: Wählen Sie etwas anderes.
refusal-port-in-use = Den Port { $port } des Knotens benutzt schon ein Programm: Wählen Sie einen anderen.
refusal-too-many-forwards = Ein Container kann { $max } Portweiterleitungen haben.
refusal-no-bridge = Es gibt keine Schnittstelle { $name } auf diesem Knoten: `ip link show type bridge` zeigt seine Bridges.
refusal-not-a-bridge = { $name } ist eine Schnittstelle dieses Knotens, aber keine Bridge: Machen Sie eine, die sie als Port hat, und nennen Sie die.
refusal-own-bridge = { $name } ist die eigene Bridge dieser Instanz, auf der sie die Adressen vergibt: Lassen Sie die Bridge dafür weg.
refusal-others-bridge = { $name } ist die Bridge einer anderen Instanz von Kiste, die nur ihre eigenen Container einlässt: Nennen Sie eine des LAN.
refusal-forwards-in-lan = Ein Container mit eigener Adresse im LAN ist dort erreichbar: Nehmen Sie seine Portweiterleitungen weg.
refusal-lan-needed = { $name } braucht eine eigene Adresse im LAN: Nennen Sie dessen Bridge, etwa mit --net0 bridge=vmbr0,ip=dhcp.
refusal-stale = Jemand anderes hat es inzwischen geändert: Laden Sie es neu und wiederholen Sie es.
refusal-wrong-status = Der Container { $name } ist { $status ->
        [creating] im Entstehen
        [stopped] gestoppt
        [starting] beim Start
        [running] in Betrieb
        [frozen] angehalten
        [stopping] beim Beenden
        [failed] fehlgeschlagen
       *[other] im Zustand { $status }
    }: { $deed ->
        [start] Starten
        [shutdown] Herunterfahren
        [stop] Stoppen
        [reboot] Neustarten
        [suspend] Anhalten
        [resume] Fortsetzen
        [destroy] Löschen
        [exec] Einen Befehl ausführen
        [rewire] Die Schnittstelle ändern
        [make-template] Eine Vorlage machen aus (anhalten oder pausieren),
       *[console] Eine Konsole öffnen
    } geht jetzt nicht.
refusal-busy = { $name } ist mit der Aufgabe { $task } beschäftigt: Warten Sie sie ab, oder brechen Sie sie ab.
refusal-task-ended = Die Aufgabe ist schon zu Ende.
refusal-no-password = Zum Container { $name } ist kein Passwort gespeichert.
refusal-nothing-to-retry = Der erste Start von { $name } ist nicht fehlgeschlagen: Es gibt nichts zu wiederholen.
refusal-retry-failed = Der erste Start von { $name } schlug wieder fehl: Sein Stand zeigt, bei welchem Skript.
refusal-no-archive = Es kam kein Archiv mit: Wählen Sie eine Datei.
refusal-upload-cut-off = Das Hochladen brach ab: Versuchen Sie es noch einmal.
refusal-foreign-form = Das Formular wurde nicht auf dieser Seite ausgefüllt: Laden Sie sie neu.
refusal-archive-too-large = Das Archiv ist größer als { $max }.
refusal-archive-not-stored = Das Archiv kann nicht gespeichert werden: { $reason }
refusal-none-free = { $what ->
        [vmid] Keine Containernummer
        [name] Kein Name
        [id-block] Kein ID-Block
        [mac] Keine MAC-Adresse
        [address] Keine Adresse
        [user] Kein Benutzer
        [port] Kein Port
       *[task] Keine Aufgabennummer
    } ist frei: Entfernen Sie zuerst einen Container.
refusal-no-id-block-free = Alle { $count } ID-Blöcke sind in Gebrauch: Erhöhen Sie id_count in der Konfiguration.
refusal-no-answer = Die Engine antwortet nicht: Vielleicht startet sie gerade, versuchen Sie es gleich noch einmal.
refusal-ending = Die Engine wird gerade beendet: Versuchen Sie es noch einmal, wenn sie wieder läuft.
refusal-internal = Etwas ging im Innern schief (Nummer { $reference }): Einzelheiten stehen im Protokoll der Engine.
