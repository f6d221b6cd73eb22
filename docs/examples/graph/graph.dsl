Feature: Networks
  What hangs together in a network, kept up to date while its links come and go.
  Domain: networks

  Background:
    @source(name=links, type=file, path="data/links.jsonl", contract=Link@1, key=link)

  Scenario: Connected components
    Every node, with the least node that it is connected with. Links lead both ways; a row of `links` takes the place of the one before it.

    @step(name=There, from=links)
      @do aggregate links = count(*) by a, b
    @step(name=Back, from=There)
      @do select b as a, a as b, links
    @step(name=Ways, from=[There, Back])
      @do union Back
    @step(name=Components, from=Ways)
      @do select a as node, a as component
      @do iterate component = min(component) by node
      @do join Ways on Ways.a = Components.node
      @do select Ways.b as node, Components.component
    @sink(type=stdout)

    Examples: two networks grow together and fall apart
      Given links
        | link | a | b |
        | 1    | 1 | 2 |
        | 2    | 3 | 4 |
      Then Components is
        | node | component |
        | 1    | 1         |
        | 2    | 1         |
        | 3    | 3         |
        | 4    | 3         |
      Given links
        | link | a | b |
        | 3    | 4 | 2 |
      Then Components is
        | node | component |
        | 1    | 1         |
        | 2    | 1         |
        | 3    | 1         |
        | 4    | 1         |
      When the worker crashes
      Given links
        | link | a | b |
        | 1    | 5 | 6 |
      Then Components is
        | node | component |
        | 2    | 2         |
        | 3    | 2         |
        | 4    | 2         |
        | 5    | 5         |
        | 6    | 5         |

Contract: Link version 1
  | field | type  | rules         |
  | link  | int64 | required, key |
  | a     | int64 | required      |
  | b     | int64 | required      |
