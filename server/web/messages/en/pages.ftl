# Frame and navigation
skip = Skip to content
nav = Sections
nav-open = Open the menu
nav-containers = Containers
nav-templates = Templates
nav-tasks = Tasks
breadcrumb = You are here
search = Search containers
tasks-running = running
live = Live
live-note = Figures on this page update by themselves
live-lost = Connection lost, showing the figures of
pages = Pages
page-previous = Previous
page-next = Next
reload = Load again
actions = Actions
yes = Yes
no = No
apply = Apply
discard = Discard
cancel = Cancel
delete = Delete
filter = Filter
filter-remove = Show all
file = File
advanced = More options
form-errors = Please check:
form-leave = Changes on this page are not saved yet.
field-missing = This must be filled in.

# Account
login = Log in
logout = Log out
user = User
password = Password
password-again = Password again
password-help = At least 8 characters; a sentence is good. Paste and password managers work.
password-differs = The two passwords differ.
login-wrong = User name or password is wrong.
login-throttled = Too many failed tries: wait { $n } s, then try again.
language = Language
language-auto = As the browser
theme = Colours
theme-auto = As the system
theme-light = Light
theme-dark = Dark
setup = Set up Kiste
setup-intro = This page makes the first administrator. It is open until one exists.
setup-code = Setup code
setup-code-help = It was printed when Kiste started. For a new one run kiste setup-code on the node.
setup-finish = Create the account

# Container states
status = Status
status-any = Any status
status-creating = Creating
status-stopped = Stopped
status-starting = Starting
status-running = Running
status-frozen = Paused
status-stopping = Stopping
status-failed = Failed
status-unknown = Unknown

# Containers
name = Name
address = Address
hostname = Host name
cpu = CPU
memory = Memory
swap = Swap
cores = Cores
cpulimit = CPU limit
cpuunits = CPU units
pids = Processes
disk = Disk
network = Network
pressure = Waiting (pressure)
cache = cache
peak = peak
uptime = Up for
template = Template
onboot = Starts with the node
heal-label = Restart when its health check keeps failing
onboot-label = Start with the node
id-range = Ids on the host
in-use = in use
list-changed = The list has changed.
containers-empty = A container is a small machine of its own: system, services, address. There is none yet.
containers-search = Name, number, address or template
containers-no-match = No container matches.
containers-count = { $n ->
    [one] { $n } container
   *[other] { $n } containers
}
container-new = New container
container-create = Create container
container-delete = Delete container
container-task = A task is at work on this container.
start = Start
shutdown = Shut down
stop = Stop now
reboot = Restart
suspend = Pause
resume = Resume
console = Console
summary = Summary
resources = Resources
summary-machine = Machine
summary-isolation = Isolation
summary-isolation-note = No other container shares these ids; root inside is an ordinary user on the host.
summary-command = Shell on the node
delete-note = Deletes the container with everything in it.

# Confirmations
confirm-start = Start { $name }?
confirm-start-note = The container boots with its present settings.
confirm-shutdown = Shut down { $name }?
confirm-shutdown-note = Services inside are asked to end; after 60 seconds what still runs is ended. People who use it are cut off.
confirm-stop = Stop { $name } at once?
confirm-stop-note = Everything inside ends in this moment, like pulling the plug: what is not saved is lost.
confirm-reboot = Restart { $name }?
confirm-reboot-note = Services inside end and start again. People who use it are cut off for some seconds.
confirm-suspend = Pause { $name }?
confirm-suspend-note = Nothing inside runs until it is resumed; connections may time out. Memory stays in use.
confirm-resume = Resume { $name }?
confirm-resume-note = Everything inside goes on where it was.
capture = Make a template
capture-note = New containers begin with what is in this one; its identity, its keys and its root password stay here. Stop or suspend it first.
capture-heading = Make a template from { $name }
capture-name = Name of the template
capture-help = Letters a to z, digits, dot and dash. Root’s password, ssh and host keys, machine id, logs, histories and temporary files are left out; the task’s log says what. Other users of the system stay, with their passwords.
delete-heading = Delete { $name }?
delete-consequence = All files of the container, its address and its settings are deleted. This cannot be undone.
delete-kept = Its template stays installed, and the audit log keeps what was done.
delete-running = It is running and will be stopped at once.
delete-type = Type { $name } to confirm
delete-mistyped = This is not the name: type { $name }.

# Create
new-choose = Choose what it is made from.
new-from = New container from { $name }
new-name-help = Its name in the network: letters, digits and dashes, such as web or web.example.org.
memory-help = Such as 512M or 2G. { $name } could be handed out now.
cores-help = Empty: all { $name } of this node.
forwards = Ports from outside
forwards-help = { $name } lets other machines reach it by a port of the node; several with blanks between them.
reach-node = From this node only
reach-forward = Forward a port of the node
reach-lan = Own address in the LAN
lan-bridge = Bridge
lan-bridge-help = A bridge of this node that the LAN's cable is plugged into:
lan-bridge-none = This node has no bridge yet that the LAN's cable is plugged into: make one, such as vmbr0.
lan-ip = Address
lan-ip-help = Empty: the LAN's DHCP server gives one. Else with its prefix, such as 192.168.1.50/24.
lan-gateway = Gateway
lan-gateway-help = The router's address; only beside an address that is given here.
interface-own = Kiste's own bridge
interface-lan = Bridge { $name }
interface-dhcp = address by DHCP
interface-due = from the next start on
new-access = Access
new-access-help = None of these is needed: the console on this site works without a password.
new-password = Password for root
new-password-help = Empty: root has no password.
ssh-keys = SSH keys for root
ssh-keys-help = Public keys, one a line.
new-vmid-help = Number from 100 up. Empty: the lowest free one.
swap-help = On top of memory. 0 turns it off.
cpulimit-help = CPU time in cores, such as 0.5. Empty: as much as its cores give.
cpuunits-help = Share when CPU is scarce: 1 to 10000, 100 is normal.
pids-help = Most processes and threads at a time.
new-start = Start it when it is made

# Resources
resources-forwards-help = Ports of the node that lead in, such as 8081:80 or 5353:53/udp; several with blanks between them. Empty: reachable from this node only.
resources-memory-help = Such as 512M or 2G, at least 16M.
resources-cores-help = Empty: all of the node's.
resources-live = Changes act at once, also while it runs.
resources-stale = Somebody else changed these settings meanwhile. Check your values; applying them now would replace the others.
resources-now = Now:
resources-below = The new memory limit is below what is in use: programs inside may be ended.
resources-below-yes = Lower it all the same

# Console
console-shell = Root shell
console-login = Login console
console-connecting = Connecting…
console-connected = Connected
console-watching = Somebody else is typing; press a key to take over.
console-exited = The shell has ended.
console-ended = The container was stopped or restarted.
console-lost = The connection is lost.
console-again = Connect again
console-no-script = The console needs JavaScript. On the node itself use
console-stopped = The container does not run. Start it and watch it boot here.
console-denied = This needs the right VM.Console on this container: ask an administrator.

# Tasks
task = Task
task-running = Running
task-done = Done
task-failed = Failed
task-cancelled = Cancelled
task-create = Create
task-start = Start
task-shutdown = Shut down
task-stop = Stop
task-reboot = Restart
task-suspend = Pause
task-resume = Resume
task-destroy = Delete
task-template-build = Build template
task-template-create = Make template
task-template-import = Import template
task-template-remove = Delete template
task-template-download = Download template
task-source-refresh = Ask sources
task-step = Step
task-log = Log
task-progress = Progress
task-show = Show the task
task-open = Go on
task-cancel = Cancel the task
tasks-empty = Nothing has been done yet.
started = Started
duration = Took
step-layer = Making the layer
step-network = Network
step-settings = Settings
step-start = Starting
step-undo = Undoing
step-lists = Package lists
step-download = Downloading packages
step-base = Base system
step-packages = Packages
step-hooks = Setting up
step-clean = Cleaning up
step-pack = Packing
step-read = Reading
step-compare = Comparing
step-compress = Compressing
step-unpack = Unpacking
step-install = Installing
step-shutdown = Shutting down
step-stop = Stopping
step-destroy = Deleting
step-remove = Removing
step-fetch = Fetching
step-refresh = Asking
step-sources = Vendors’ files

# Templates
nav-sources = Sources
sources-intro = Templates that others have built. Nothing is asked or downloaded before you want it, and nothing is used that is not what was promised.
sources-empty = No source is configured: add [[source]] to the configuration.
sources-refresh = Ask
sources-refresh-all = Ask all
source-index = Kiste’s signed index
source-simplestreams = Image server of LXC, Incus and LXD
source-aplinfo = Proxmox VE’s list of appliances
source-address = Address
source-trust = Believed because
source-offers = Offers
source-asked = Last asked
trust-tls = it comes over TLS; checksums are in its list
trust-key = it is signed by { $name }
never = never
offers = What is offered
offers-search = Search offers
offers-search-button = Search
offers-empty = Nothing fits. Ask the sources first, or search for other words.
offers-hidden = { $n } more: search for what you need.
offer-other = other version
download = Download
download-this = Download this version
templates-from-sources = From sources
templates-from-sources-note = Templates that others have built, ready to download:
templates-import-url = From an address
sha256 = SHA-256
sha256-help = 64 hex digits, as whoever offers the archive gives them. Without them anybody on the way could replace it.
templates-intro = A template holds the operating system, and an application if you like. Containers share it; none of them copies it.
templates-installed = Installed
templates-empty = No template is installed. Build one from a recipe, or import an archive.
templates-recipes = Recipes
templates-recipes-note = Built on this node from Debian's packages. This takes a minute or two.
templates-recipes-none = No recipes were found: set recipes in the configuration.
templates-import = Import
templates-import-help = Kiste's own archive, or any root file system as .tar.zst, .tar.xz, .tar.gz or .tar.bz2.
templates-import-name-help = Needed for an archive that brings no name.
template-build = Build
template-build-again = Build again, with newer packages
template-build-new = Build the new version
recipe-changed = changed
template-delete = Delete template
template-delete-heading = Delete the template { $name }?
template-delete-consequence = No new container can be made from it until it is built or imported again.
template-delete-containers = These containers were made from it and keep running:
version = Version
origin = Origin
origin-built = Built here
origin-imported = Imported
origin-container = Made from a container
origin-downloaded = Downloaded
packages = Packages
size = Size
installed = Installed

# Messages after an action
flash-start = It starts.
flash-shutdown = It is shutting down.
flash-stop = It is stopping.
flash-reboot = It restarts.
flash-suspend = It is pausing.
flash-resume = It goes on.
flash-saved = Saved, and already in force.
flash-cancel = The task was asked to end.

# Applications
health = Health
health-starting = Starting
health-healthy = Healthy
health-unhealthy = Unhealthy
health-history = Changes
next-steps = Next
password-reveal = Show
first-boot = First boot
first-boot-retry = Try the rest again
step-pending = waits
step-running = at work
step-done = done
step-failed = failed
flash-first-boot = The first boot goes on.

# Errors
error-denied = Not allowed
error-not-found = Not found
error-conflict = Not possible now
error-invalid = Not accepted
error-throttled = Too many tries
error-unavailable = Not available
error-internal = Something went wrong
error-no-page = There is no such page. It may have been deleted or renamed.
error-misfit = The address or the form is not one of these pages'. Go back, load the page again and repeat.
error-task = Show the task in the way
error-back = Back
error-origin = This request did not come from this site's own pages: open Kiste's address in the browser and repeat.
error-host = This site does not know the name it was asked for: use the node's name or address, or add the name to hosts in the configuration.
error-too-many-pages = Too many pages are open: close some of them.

# Refusals: model::Refusal, the same words as on the command line
refusal-not-a-vmid = “{ $given }” is no container number: it must be a whole number from 100 to 999999999.
refusal-name-length = A name has 1 to { $max } characters, “{ $given }” has { $len }.
refusal-not-a-label = “{ $given }” is no DNS label: use a-z, 0-9 and -, and begin and end with a letter or digit.
refusal-all-digits = “{ $given }” is all digits and would be taken for a container number: add a letter.
refusal-reserved-name = “{ $given }” is a reserved word: choose another name.
refusal-not-a-size = “{ $given }” is no size: write a number with K, M, G or T, such as 512M or 1.5 GiB.
refusal-not-a-whole-number = “{ $given }” is no whole number: write one such as 2.
refusal-not-a-cpu-limit = “{ $given }” is no CPU limit: write a number of cores from 0.01 up, such as 0.5 or 2.
refusal-not-a-mac = “{ $given }” is no MAC address: write six hex pairs with colons, the first one even.
refusal-not-a-source-name = “{ $given }” is no source name: use 1 to 32 of a-z, 0-9 and dash, beginning with a letter or digit.
refusal-not-an-address = “{ $given }” is no address to download from: { $why }
refusal-not-a-checksum = “{ $given }” is no checksum: write the 64 hex digits of SHA-256.
refusal-no-source = There is no source { $name }: the configuration has { $known }.
refusal-no-offer = No source offers { $name }: `kiste template refresh` asks them anew, `kiste template available` shows what there is.
refusal-offered-twice = { $name } is offered by { $sources }: write SOURCE/{ $name }.
refusal-not-a-forward = “{ $given }” is no port forward: write NODE:CONTAINER or NODE:CONTAINER/udp, such as 8081:80.
refusal-not-a-template-name = “{ $given }” is no template name: use 1 to 64 of a-z, 0-9, dot and dash, beginning with a letter or digit.
refusal-not-a-link-name = “{ $given }” is no name of a bridge: use 1 to 15 letters, digits, dot, dash or underscore.
refusal-not-a-net0 = “{ $given }” is no interface: write name=eth0,bridge=vmbr0,ip=dhcp, or ip=192.168.1.50/24,gw=192.168.1.1.
refusal-net0-key-unknown = An interface has no key { $key }: there are name, bridge, ip, gw, dns and hwaddr.
refusal-net0-key-later = The key { $key } of an interface is not built yet: leave it out.
refusal-not-a-lan-address = “{ $given }” is no address for a machine in a LAN: write dhcp, or one with its prefix such as 192.168.1.50/24.
refusal-not-a-gateway = The gateway “{ $given }” is no other machine in { $network }: write the address that the router has there.
refusal-gateway-with-dhcp = A gateway or name server was given without an address: by DHCP they come with it, else give the address too.
refusal-not-a-name-server = “{ $given }” is no name server that a container can reach: write an IPv4 address that is not the loopback's.
refusal-too-many-name-servers = An interface may have { $max } name servers.
refusal-bridge-missing = Address, gateway and name servers are for an interface in a LAN: name its bridge too, such as vmbr0.
refusal-not-a-task-id = “{ $given }” is no task id: copy it from `kiste task list`.
refusal-not-a-user = “{ $given }” is no user: use 1 to 60 letters, digits, dot, dash or underscore, and a realm such as admin@pve.
refusal-not-an-ssh-key = “{ $given }” is no public ssh key: each line begins like ssh-ed25519 AAAA...
refusal-not-a-preference = “{ $given }” is no value for the preference “{ $key }”.
refusal-no-parameter = There is no parameter { $name }: there are { $known }.
refusal-parameter-missing = The parameter { $name } must be given: it has no default.
refusal-parameter-length = The parameter { $name } has { $len } characters: { $min } to { $max } are possible.
refusal-parameter-control-character = The parameter { $name } has a control character: write it on one line.
refusal-parameter-value = The parameter { $name } cannot be “{ $given }”: it must be of the kind { $kind }.
refusal-memory-too-small = Memory { $given } is too little: a container needs at least 16 MiB.
refusal-memory-above-host = Memory { $given } is more than this node has ({ $host }): choose less.
refusal-swap-out-of-range = Swap { $given } is out of range: choose at most 1 TiB.
refusal-cores-out-of-range = { $given } cores is out of range: this node has { $host }, choose 1 to { $host }.
refusal-cpu-limit-out-of-range = A CPU limit of { $given } cores is out of range: this node has { $host }, choose 0.01 to { $host }.
refusal-cpu-units-out-of-range = { $given } CPU units is out of range: choose 1 to 10000 (100 is normal).
refusal-pids-out-of-range = { $given } processes is out of range: choose 16 to 4194304.
refusal-limits-refused = The kernel refused the limits ({ $reason }): more may be in use than they allow.
refusal-password-too-short = The password is too short: use at least { $min } characters.
refusal-password-too-long = The password is too long: use at most { $max } bytes.
refusal-password-control-character = The password has a control character: use characters that can be typed.
refusal-wrong-password = User name or password is wrong.
refusal-wrong-setup-code = The setup code is wrong: `kiste setup-code` on the node prints a new one.
refusal-setup-is-over = The setup is over, an administrator exists: log in instead.
refusal-too-many-tries = Too many failed tries: wait { $seconds } s.
refusal-session-ended = The session has ended: log in again.
refusal-forged-form = The form does not belong to this session: load the page again and repeat.
refusal-ticket-used-up = The console ticket is used up, too old or not for this: open the page again.
refusal-denied = Permission check failed ({ $object }, { $privilege }): ask an administrator for that right.
refusal-local-only = Only root on the node itself may do this: use the command line there.
refusal-no-container = There is no container { $name }: `kiste list` shows all.
refusal-no-template = There is no installed template { $name }: `kiste template list` shows all.
refusal-template-gone = The container template { $name } was removed or replaced meanwhile: try again.
refusal-no-task = There is no task { $name }: `kiste task list` shows all.
refusal-taken = { $what ->
        [vmid] Container number
        [name] The name
        [id-block] Id block
        [mac] MAC address
        [address] Address
        [user] The user
        [port] Port
       *[task] Task number
    } { $given } is taken: choose another.
refusal-port-in-use = Port { $port } of the node is in use by a program of its own: choose another.
refusal-too-many-forwards = A container may have { $max } port forwards.
refusal-no-bridge = There is no interface { $name } on this node: `ip link show type bridge` lists its bridges.
refusal-not-a-bridge = { $name } is an interface of this node but no bridge: make one that has it as a port, and name that.
refusal-own-bridge = { $name } is this instance's own bridge, where it gives the addresses: leave the bridge out for that.
refusal-others-bridge = { $name } is the bridge of another instance of Kiste, which lets only its own containers in: name one of the LAN.
refusal-forwards-in-lan = A container with its own address in the LAN is reached there: take its port forwards away.
refusal-lan-needed = { $name } needs its own address in the LAN: name the LAN's bridge, such as --net0 bridge=vmbr0,ip=dhcp.
refusal-stale = Somebody else changed it meanwhile: load it again and repeat.
refusal-wrong-status = Container { $name } is { $status }: cannot { $deed ->
        [start] start
        [shutdown] shut down
        [stop] stop
        [reboot] reboot
        [suspend] suspend
        [resume] resume
        [destroy] destroy (without --force)
        [exec] run a command in
        [rewire] change the interface of
        [make-template] make a template from (stop or suspend it),
       *[console] open a console of
    } it now.
refusal-busy = { $name } is busy with task { $task }: wait for it, or cancel it.
refusal-task-ended = The task has ended already.
refusal-no-password = Container { $name } has no stored password.
refusal-nothing-to-retry = The first boot of { $name } has not failed: there is nothing to try again.
refusal-retry-failed = The first boot of { $name } failed again: its status says at which script.
refusal-no-archive = No archive came with it: choose a file.
refusal-upload-cut-off = The upload was cut off: try again.
refusal-foreign-form = The form was not filled in on this page: load it again.
refusal-archive-too-large = The archive is larger than { $max }.
refusal-archive-not-stored = The archive cannot be stored: { $reason }.
refusal-none-free = No { $what ->
        [vmid] container number
        [name] the name
        [id-block] id block
        [mac] MAC address
        [address] address
        [user] the user
        [port] port
       *[task] task number
    } is free: remove a container first.
refusal-no-id-block-free = All { $count } id blocks are in use: raise id_count in the configuration.
refusal-no-answer = The engine does not answer: it may be starting, try again in a moment.
refusal-ending = The engine is ending: try again when it runs.
refusal-internal = Something went wrong inside (reference { $reference }): the engine's log has the details.
