<?php
// What this template settles. Nextcloud's own config.php is read before this file; settings of your own that shall
// win over these belong into a file whose name sorts behind it, such as local.config.php.
$CONFIG = [
    'apps_paths' => [
        ['path' => '/usr/share/nextcloud/apps', 'url' => '/apps', 'writable' => false],
        ['path' => '/usr/share/nextcloud/custom_apps', 'url' => '/custom_apps', 'writable' => true],
    ],
    'skeletondirectory' => '/var/lib/nextcloud/skeleton',
    'logfile' => '/var/lib/nextcloud/data/nextcloud.log',
    'memcache.local' => '\OC\Memcache\APCu',
    'memcache.locking' => '\OC\Memcache\Redis',
    'redis' => ['host' => '/run/redis/redis-server.sock', 'port' => 0],
    // New versions come with the template.
    'updatechecker' => false,
    'upgrade.disable-web' => true,
    'maintenance_window_start' => 1,
];

// A name counts only when it was given: somebody could put his own into a request, and so into mails. The addresses
// of private networks are nobody's from outside, and which of them leads here is not known before.
$kiste_domains = (static function (): array {
    $CONFIG = [];
    @include __DIR__ . '/config.php';
    $domains = $CONFIG['trusted_domains'] ?? [];
    $host = trim(preg_replace('/:\d+$/', '', $_SERVER['HTTP_HOST'] ?? ''), '[]');
    $public = FILTER_FLAG_NO_PRIV_RANGE | FILTER_FLAG_NO_RES_RANGE;
    if (filter_var($host, FILTER_VALIDATE_IP) && !filter_var($host, FILTER_VALIDATE_IP, $public)) {
        $domains[] = $host;
    }
    return array_values(array_unique(['localhost', gethostname(), ...$domains]));
})();
$CONFIG['trusted_domains'] = $kiste_domains;
unset($kiste_domains);
