/* SPDX-License-Identifier: MIT */
#include "agent/probe/own_resolver.h"

#include <stdio.h>
#include <string.h>

#define RESOLV_CONF     "/etc/resolv.conf"
#define RESOLV_LINE_MAX 512

/* "nameserver ADDR": the first that can be read; link-local ones with a scope cannot. */
static bool take_line(const char *line, struct ip *ip)
{
    static const char word[] = "nameserver";
    size_t n = sizeof(word) - 1;
    char text[IP_TEXT_MAX];
    if (strncmp(line, word, n) != 0 || (line[n] != ' ' && line[n] != '\t'))
        return false;
    const char *addr = line + n + strspn(line + n, " \t");
    snprintf(text, sizeof(text), "%.*s", (int)strcspn(addr, " \t\r\n#;"), addr);
    return ip_parse(text, ip) == ERR_NONE;
}

static bool take_resolv_conf(struct ip *ip)
{
    char line[RESOLV_LINE_MAX];
    bool found = false;
    FILE *f = fopen(RESOLV_CONF, "re");
    while (f && !found && fgets(line, sizeof(line), f))
        found = take_line(line, ip);
    if (f)
        fclose(f);
    return found;
}

bool own_resolver(const char *servers, struct ip *ip, uint16_t *port)
{
    char first[ADDR_TEXT_MAX];
    if (servers) {
        int n = snprintf(first, sizeof(first), "%.*s", (int)strcspn(servers, ","), servers);
        return n > 0 && n < (int)sizeof(first) && addr_parse(first, DNS_PORT, ip, port) == ERR_NONE;
    }
    *port = DNS_PORT;
    if (!take_resolv_conf(ip))
        *ip = (struct ip){.family = AF_INET, .bytes = {127, 0, 0, 1}};
    return true;
}
