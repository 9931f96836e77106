import ArgumentParser
package struct Foo: ParsableCommand { package init() {} }
