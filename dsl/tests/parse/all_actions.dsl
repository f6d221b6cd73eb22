# Every construct of a step, once.
@module(layer=silver, domain=finance)
Feature: All actions  # the title ends before this
  Prose of two
  lines.

  And a second paragraph.
  Owner: team-a
  Slo: 99.9% within 5s
  @requires(memory=64MiB, cores=2, gpu=false, ratio=0.5, version=1.2.3, after=-5s)

  Background:
    What every scenario shares.
    @source(name=orders, type=file, path="${env.DATA:data}/orders.json", format=json, secret=${secret.KEY},
            # a comment between arguments
            columns=[id, at, [nested, list]], contract=Order@1,)
    @source(name=rates, type=file, path="rates.csv", key=(currency, day))

  @affinity(node=gpu)
  Scenario: Rows
    Kept as documentation, # and this is prose too.
    Purpose: show rows

    @step(name=Rows, from=orders, affinity=fast)
      Steps may be described.
      @when status in ('a', 'b') and amount between 1 and 2
      @when not (note is distinct from 'x#y')   # a comment
      @do set total = amount * 2, kind = case when amount > 10 then 'big' else 'small' end
      @do select orders.*, "Quoted Name" as quoted, upper(name) as name, total
      @do drop a, b
      @do rename old to new, "Old One" to fresh
      @do keep total > 0
            and total < 100          # goes on

            # not part of it
      @do unnest items as item with ordinality as n keep empty
      @do union Other, Parts.big
      @do split big when amount > 100, small when amount in (1, 2), rest otherwise
      @then total > 0
      @then name is not null otherwise tag nameless
      @then share of case when a then b else c end < 1% over 10m otherwise alert
      @then share of email is null >= 0.5 over 1h
      @then at least 1000 rows per 1h otherwise fail
      @then at most 5 rows per 1d
    @step(name=Windows)
      @do aggregate
            n = count(*), s = sum(x) filter (where x > 0), p = percentile_cont(0.5) within group (order by x)
            by card_id, day = date_trunc('day', at)
            in hopping(10m, every 1m) offset 30s on paid_at
            having n >= 3 and s in (1, 2)
            emit on change and on close
            allowed lateness 1h30m
            keep state for 7d
      @do aggregate n = count(*) by grouping sets ((a, b), (a), ()) in session(5m) on processing time emit every 1s
      @do aggregate n = count(*) in cumulating(1d, every 1h) emit every 5m and on close
      @do aggregate n = count(*), m = max(x) emit on close keep for ever
    @step(name=Joins, from=[Rows, Windows.late])
      @do join rates on rates.currency = Rows.currency
      @do left join rates as r on r.currency = currency and r.day in (1, 2) as of paid_at keep state for 1d
      @do full join Windows on a = b within -5s to 10m
      @do semi join Windows on a = b within 5m
      @do anti join Windows on a = b in tumbling(1m)
      @do right join rates on a = b as of processing time
    @step(name=Order)
      @do top 3 by price desc nulls last, at per auction, kind with ties as place in tumbling(1m) keep state for 1d
      @do rank place by price desc per auction
      @do deduplicate by a, lower(b) keep last order by at desc within 1h keep state for 2h
    @step(name=Privacy)
      @do mask email, phone with sha256
      @do redact note
      @do encrypt card with key "cards-2026"
      @do sql """
        select *   -- SQL's own comment, and a # that stays

        from Order | other
      """ keep state for 7d
      @do match a then b+ without c or d followed by (e or f{2,5}? then g{3} without c apart)* without h
        where a is x > 0, b is x > last(b.x, 1) and b.y in (1, 2), h is x is null
        per k, lower(n) as n
        order by z desc, w
        within 5s
        after match skip to last b
        with partial as open
        give total = sum(b.x), first(a.x) as first, n = count(b.*)
      @do match a? then b{2} then c{2,} apart keep for ever after match skip to next row
      @do iterate
      @do iterate least = min(least), n = count(*) by node, colour as shade at most 100 rounds keep for ever
      @do call geo.lookup(ip)
    @step(name=Reused, domain=finance, use=ValidateSIN, column=sin, strict=true)
    @sink(type=stdout)
    @sink(name=out, type=file, path="out/", from=Rows.big)

    Examples: all clauses
      Said before the first clause.

      Given orders
        | id | at                   | note   |
        | 1  | 2026-01-01T00:00:00Z | a \| b | # a comment
        # between rows
        | 2  |                      | ""     |
      And rates from file "rates.csv"
      And 3 workers
      When the watermark of orders reaches 2026-01-01T00:01:06Z
      And the watermark reaches 2026-01-01 00:02:00+01:00
      And orders is idle for 5s
      And time passes 250ms
      And the worker crashes
      And the input ends
      Then Rows is

        | id |
        | 1  |
      And Rows.big contains
        | id |
      And Windows is file "golden.json"
      And Joins contains file "part.json"
      And rejected is empty
      And the watermark of Rows is 2026-01-01T00:00:00Z

Step: ValidateSIN(column, strict = false, label = "a text")
  Checks a social insurance number.
  @when ${column} is not null
  @do set ${column}_clean = replace(${column}, ' ', '')
  @then length(${column}_clean) = 9 otherwise reject

Contract: Order version 1
  An order.
  Owner: orders
  | field   | type                                | rules                                          | tags     | description |
  | id      | int64                               | required, key                                  |          | the number  |
  | at      | timestamptz(ms)                     | required, event time                           |          |             |
  | amount  | decimal(12, 2)                      | between 0 and 9.99, default 1                  |          |             |
  | name    | string                              | matches '^[a-z, ]+$', length <= 64, unique     | pii, phi |             |
  | status  | string                              | one of open, 'key', closed, required           |          |             |
  | lines   | list<struct<sku: string, n: int[]>> |                                                |          |             |
  | raw     | json                                |                                                |          |             |
  | small   | uint8                               | >= 1, <= 200, <> 7                             |          |             |
  Compatibility: full
