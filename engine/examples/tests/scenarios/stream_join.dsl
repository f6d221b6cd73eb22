Feature: Joins of two streams

  Background:
    @source(name=payments, type=file, path="payments.jsonl", contract=Sent@1, lateness=0s)
    @source(name=refunds, type=file, path="refunds.jsonl", contract=Returned@1, lateness=0s)
    @source(name=rates, type=file, path="rates.jsonl", contract=Rate@1, lateness=0s)

  Scenario: In the same window
    @step(name=Both, from=payments)
      @do   join refunds on refunds.payment = payments.id in tumbling(1h)
      @do   select id, amount, given = refunds.amount
    @step(name=All, from=payments)
      @do   left join refunds on refunds.payment = payments.id in tumbling(1h)
      @do   select id, given = refunds.amount
    @step(name=With, from=payments)
      @do   semi join refunds on refunds.payment = payments.id in tumbling(1h)
      @do   select id
    @step(name=Without, from=payments)
      @do   anti join refunds on refunds.payment = payments.id in tumbling(1h)
      @do   select id
    @step(name=Each, from=payments)
      @do   full join refunds on refunds.payment = payments.id and refunds.amount <= payments.amount in tumbling(1h)
      @do   select id, payment, given = refunds.amount
    @step(name=Returns, from=payments)
      @do   right join refunds on refunds.payment = payments.id in tumbling(1h)
      @do   select id, payment
    @sink(name=s1, type=blackhole, from=Both)
    @sink(name=s2, type=blackhole, from=All)
    @sink(name=s3, type=blackhole, from=With)
    @sink(name=s4, type=blackhole, from=Without)
    @sink(name=s5, type=blackhole, from=Each)
    @sink(name=s6, type=blackhole, from=Returns)

    Examples: rows meet in their window, and go alone when it closes
      Given payments
        | id | amount | paid_at              |
        | 1  | 10     | 2026-01-01T00:10:00Z |
        | 2  | 20     | 2026-01-01T00:20:00Z |
        | 3  | 30     | 2026-01-01T00:59:59Z |
        |    | 40     | 2026-01-01T00:30:00Z |
      And refunds
        | payment | amount | given_at             |
        | 1       | 5      | 2026-01-01T00:50:00Z |
        | 1       | 15     | 2026-01-01T00:05:00Z |
        | 3       | 1      | 2026-01-01T01:00:00Z |
        | 9       | 1      | 2026-01-01T00:40:00Z |
      Then Both is
        | id | amount | given |
        | 1  | 10     | 5     |
        | 1  | 10     | 15    |
      When the input ends
      Then All is
        | id | given |
        | 1  | 5     |
        | 1  | 15    |
        | 2  |       |
        | 3  |       |
        |    |       |
      And With is
        | id |
        | 1  |
      And Without is
        | id |
        | 2  |
        | 3  |
        |    |
      And Each is
        | id | payment | given |
        | 1  | 1       | 5     |
        |    | 1       | 15    |
        |    | 3       | 1     |
        |    | 9       | 1     |
        | 2  |         |       |
        | 3  |         |       |
        |    |         |       |
      And Returns is
        | id | payment |
        | 1  | 1       |
        | 1  | 1       |
        |    | 3       |
        |    | 9       |

    Examples: a row whose window has closed is late
      Given payments
        | id | amount | paid_at              |
        | 1  | 10     | 2026-01-01T00:10:00Z |
      And refunds
        | payment | amount | given_at             |
        | 1       | 5      | 2026-01-01T00:15:00Z |
      When the watermark of payments reaches 2026-01-01T01:00:00Z
      And the watermark of refunds reaches 2026-01-01T01:00:00Z
      Given refunds
        | payment | amount | given_at             |
        | 1       | 6      | 2026-01-01T00:20:00Z |
      When the input ends
      Then Both is
        | id | amount | given |
        | 1  | 10     | 5     |
      And rejected contains
        | reason | step |
        | late   | Both |

  Scenario: In windows that overlap
    @step(name=Near, from=payments)
      @do   join refunds on refunds.payment = payments.id in hopping(1h, every 30m)
      @do   select id, given = refunds.amount
    @sink(type=blackhole)

    Examples: a pair comes out once
      Given payments
        | id | amount | paid_at              |
        | 1  | 10     | 2026-01-01T00:40:00Z |
      And refunds
        | payment | amount | given_at             |
        | 1       | 1      | 2026-01-01T00:45:00Z |
        | 1       | 2      | 2026-01-01T01:20:00Z |
        | 1       | 3      | 2026-01-01T01:30:00Z |
        | 1       | 4      | 2026-01-01T00:00:00Z |
      When the input ends
      Then Near is
        | id | given |
        | 1  | 1     |
        | 1  | 2     |
        | 1  | 4     |

  Scenario: Within a span of time
    @step(name=Soon, from=payments)
      @do   left join refunds on refunds.payment = payments.id within -1m to 10m
      @do   select id, paid_at, given = refunds.amount
    @step(name=PerHour)
      @do   aggregate n = count(*), refunded = count(given) in tumbling(1h)
    @sink(type=blackhole)

    Examples: both ends belong to it, and windows go on from it
      Given payments
        | id | amount | paid_at              |
        | 1  | 10     | 2026-01-01T00:10:00Z |
        | 2  | 20     | 2026-01-01T00:20:00Z |
      And refunds
        | payment | amount | given_at             |
        | 1       | 1      | 2026-01-01T00:09:00Z |
        | 1       | 2      | 2026-01-01T00:20:00Z |
        | 1       | 3      | 2026-01-01T00:20:01Z |
        | 2       | 4      | 2026-01-01T00:18:59Z |
      Then Soon is
        | id | given |
        | 1  | 1     |
        | 1  | 2     |
      When the watermark of payments reaches 2026-01-01T00:40:00Z
      And the watermark of refunds reaches 2026-01-01T00:40:00Z
      Then Soon is
        | id | given |
        | 1  | 1     |
        | 1  | 2     |
        | 2  |       |
      When the input ends
      Then PerHour is
        | n | refunded |
        | 3 | 2        |

  Scenario: As of a time
    @step(name=Priced, from=payments)
      @do   left join rates on rates.currency = payments.currency as of paid_at
      @do   select id, rate
    @sink(type=blackhole)

    Examples: the version that is valid at the row's own time
      Given payments
        | id | currency | amount | paid_at              |
        | 1  | EUR      | 1      | 2026-01-01T00:00:00Z |
        | 2  | EUR      | 1      | 2026-01-01T00:01:00Z |
        | 3  | EUR      | 1      | 2026-01-01T00:02:30Z |
        | 4  | USD      | 1      | 2026-01-01T00:02:30Z |
      And rates
        | currency | rate | since                |
        | EUR      | 10   | 2026-01-01T00:01:00Z |
        | EUR      | 11   | 2026-01-01T00:02:00Z |
        | EUR      | 12   | 2026-01-01T00:03:00Z |
      When the input ends
      Then Priced is
        | id | rate |
        | 1  |      |
        | 2  | 10   |
        | 3  | 11   |
        | 4  |      |

  Scenario: As of a time, with what no row met
    @step(name=Priced, from=payments)
      @do   full join rates on rates.currency = payments.currency as of paid_at
      @do   select id, rates.currency as currency, rate
    @sink(type=blackhole)

    Examples: a version that no row met comes out when a newer one has taken its place, or at the end
      Given payments
        | id | currency | amount | paid_at              |
        | 1  | EUR      | 1      | 2026-01-01T00:00:00Z |
        | 2  | EUR      | 1      | 2026-01-01T00:01:30Z |
      And rates
        | currency | rate | since                |
        | EUR      | 10   | 2026-01-01T00:00:30Z |
        | EUR      | 11   | 2026-01-01T00:01:00Z |
        | EUR      | 12   | 2026-01-01T00:03:00Z |
      When the watermark of payments reaches 2026-01-01T00:02:00Z
      And the watermark of rates reaches 2026-01-01T00:02:00Z
      Then Priced is
        | id | currency | rate |
        | 1  |          |      |
        | 2  | EUR      | 11   |
        |    | EUR      | 10   |
      When the input ends
      Then Priced is
        | id | currency | rate |
        | 1  |          |      |
        | 2  | EUR      | 11   |
        |    | EUR      | 10   |
        |    | EUR      | 12   |

  Scenario: As of processing time
    @source(name=prices, type=file, path="prices.jsonl", contract=Rate@1, key=currency)
    @step(name=Priced, from=payments)
      @do   left join prices on prices.currency = payments.currency as of processing time
      @do   select id, rate
    @sink(type=blackhole)

    Examples: the row as the table is when the row comes
      Given payments
        | id | currency | amount | paid_at              |
        | 1  | EUR      | 1      | 2026-01-01T00:00:00Z |
        | 2  | USD      | 1      | 2026-01-01T00:00:00Z |
      And prices
        | currency | rate | since                |
        | EUR      | 10   | 2026-01-01T00:01:00Z |
      When the input ends
      Then Priced is
        | id | rate |
        | 1  | 10   |
        | 2  |      |

  Scenario: Whenever they come
    @step(name=Open, from=payments)
      @do   left join refunds on refunds.payment = payments.id
      @do   set given = refunds.amount
    @step(name=Totals, from=payments)
      @do   aggregate total = sum(amount) by id keep for ever
    @step(name=Counts, from=refunds)
      @do   aggregate n = count(*) by payment keep for ever
    @step(name=Compared, from=Totals)
      @do   join Counts on Counts.payment = Totals.id
      @do   select id, payment, total, n
    @sink(name=s1, type=blackhole, key=[id, payment], from=Open)
    @sink(name=s2, type=blackhole, key=id, from=Compared)

    Examples: a row that went alone is taken back when its partner comes
      Given payments
        | id | amount | paid_at              |
        | 1  | 10     | 2026-01-01T00:10:00Z |
        | 2  | 20     | 2026-01-01T00:20:00Z |
      Then Open is
        | id | given |
        | 1  |       |
        | 2  |       |
      And Compared is empty
      Given refunds
        | payment | amount | given_at             |
        | 1       | 5      | 2026-01-01T05:00:00Z |
      Then Open is
        | id | given |
        | 1  | 5     |
        | 2  |       |
      And Compared is
        | id | total | n |
        | 1  | 10    | 1 |
      Given payments
        | id | amount | paid_at              |
        | 1  | 7      | 2026-01-01T06:00:00Z |
      And refunds
        | payment | amount | given_at             |
        | 2       | 6      | 2026-01-01T07:00:00Z |
      Then Compared is
        | id | total | n |
        | 1  | 17    | 1 |
        | 2  | 20    | 1 |
      And Open is
        | id | amount | given |
        | 1  | 10     | 5     |
        | 1  | 7      | 5     |
        | 2  | 20     | 6     |

Contract: Sent version 1
  | field    | type          | rules                |
  | id       | int           |                      |
  | currency | string        |                      |
  | amount   | int           |                      |
  | paid_at  | timestamp(ms) | required, event time |

Contract: Returned version 1
  | field    | type          | rules                |
  | payment  | int           |                      |
  | amount   | int           |                      |
  | given_at | timestamp(ms) | required, event time |

Contract: Rate version 1
  | field    | type          | rules                |
  | currency | string        | required             |
  | rate     | int           |                      |
  | since    | timestamp(ms) | required, event time |
