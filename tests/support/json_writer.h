// SPDX-License-Identifier: Apache-2.0
/* Writes one JSON value to standard output, member after member.  For a program of one file. */
#ifndef JSON_WRITER_H
#define JSON_WRITER_H

#include <stdint.h>
#include <stdio.h>

static const char *separator = "";

static void string(const char *text)
{
	if (!text) {
		fputs("null", stdout);
		return;
	}
	putchar('"');
	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		if (*p == '"' || *p == '\\')
			printf("\\%c", *p);
		else if (*p < 0x20 || *p >= 0x7f)
			printf("\\u%04x", *p); /* bytes, as latin-1: the reader encodes them back */
		else
			putchar(*p);
	}
	putchar('"');
}

/* Begins a member of the object or array that is open; a null name begins an array's element. */
static void member(const char *name)
{
	fputs(separator, stdout);
	separator = ",";
	if (name) {
		string(name);
		putchar(':');
	}
}

static void begin(const char *name, char bracket)
{
	member(name);
	putchar(bracket);
	separator = "";
}

static void end(char bracket)
{
	putchar(bracket);
	separator = ",";
}

static void text(const char *name, const char *value)
{
	member(name);
	string(value);
}

static void number(const char *name, long long value)
{
	member(name);
	printf("%lld", value);
}

/* A number that comes from a call: null where the call failed. */
static void result(const char *name, long long value)
{
	member(name);
	if (value < 0)
		fputs("null", stdout);
	else
		printf("%lld", value);
}

static void bits(const char *name, uint64_t value)
{
	member(name);
	printf("%llu", (unsigned long long)value);
}

#endif
