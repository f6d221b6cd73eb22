Feature: Payments
  Background:
    @source(name=events, type=file, path="events.json")

  Scenario: A mistake
    @sink(type=stdout)
