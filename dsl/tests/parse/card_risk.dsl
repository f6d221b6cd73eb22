Feature: Card risk
  Finds cards that are being tested by thieves.
  Domain: finance
  Herd: payments

  Background:
    @source(name=payments, type=kafka, topic="payments.v1", format=json,
            contract=Payment@2, time=paid_at, lateness=5s)
    @source(name=cards, type=snowflake, schema=CORE, table=CARDS, contract=Card@1, key=card_id)

  Scenario: Bursts of declined payments
    Three or more declined payments on one card within a minute.

    @step(name=ValidateSIN, domain=finance)              # reusable, from steps/finance.dsl
    @step(name=Declines)
      @when status = 'declined' and amount > 0
      @do   aggregate declines = count(*), total = sum(amount)
              by card_id
              in tumbling(1m)
              having declines >= 3
      @then total > 0 otherwise reject
    @step(name=WithOwner)
      @do   join cards on cards.card_id = Declines.card_id
      @do   select Declines.*, cards.owner_email
      @do   mask owner_email with sha256
      @then share of owner_email is null < 1% over 10m otherwise alert
    @sink(type=kafka, topic="alerts.v1", format=json, key=card_id, delivery=exactly-once)
    @sink(type=snowflake, schema=RISK, table=ALERTS, from=WithOwner)

    Examples: a burst is reported once, with its total
      Given payments
        | card_id | status   | amount | paid_at              |
        | c1      | declined | 1.00   | 2026-01-01T00:00:01Z |
        | c1      | declined | 2.00   | 2026-01-01T00:00:02Z |
        | c1      | declined | 3.00   | 2026-01-01T00:00:59Z |
        | c2      | declined | 9.00   | 2026-01-01T00:00:10Z |
      When the watermark of payments reaches 2026-01-01T00:01:06Z
      Then Declines is
        | card_id | declines | total |
        | c1      | 3        | 6.00  |
      And rejected is empty
